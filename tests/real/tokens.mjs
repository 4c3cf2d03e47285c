// An issuer of JSON web tokens for the tests: RS256 by Node's own crypto.
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export class Issuer {
  #keys = generateKeyPairSync('rsa', { modulusLength: 2048 });

  constructor(name = 'https://login.example.com') {
    this.name = name;
  }

  get publicKey() {
    return this.#keys.publicKey.export({ type: 'spki', format: 'pem' });
  }

  // A token of its own for that person each time, as a renewed one is.
  token(sub, { lifetimeS = 300, ...claims } = {}) {
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: this.name, sub, aud: 'mcp', iat: now, exp: now + lifetimeS, jti: randomUUID(), ...claims };
    const text = `${base64url({ alg: 'RS256', typ: 'JWT' })}.${base64url(payload)}`;
    return `${text}.${createSign('RSA-SHA256').update(text).sign(this.#keys.privateKey, 'base64url')}`;
  }
}
