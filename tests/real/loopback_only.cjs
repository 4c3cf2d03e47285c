// Preloaded into servers that offer no choice: they listen on 127.0.0.1 instead of on all interfaces,
// and say which port the kernel gave them (server-everything itself prints "port 0"); or on a Unix
// socket, where HF_LISTEN_PATH names one.
const net = require('node:net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  if (typeof port !== 'number' && typeof port !== 'string') return listen.call(this, port, ...rest);
  const path = process.env.HF_LISTEN_PATH;
  const callbacks = rest.filter((x) => typeof x === 'function');
  if (path) {
    this.once('listening', () => console.log(`listening unix:${path}`));
    return listen.call(this, path, ...callbacks);
  }
  this.once('listening', () => console.log(`listening 127.0.0.1:${this.address().port}`));
  return listen.call(this, Number(port), '127.0.0.1', ...callbacks);
};
