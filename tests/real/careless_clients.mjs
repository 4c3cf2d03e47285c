// Connects COUNT clients of a dialect to URL, says so, and never closes one: the test kills it.
import { dialects } from './clients.mjs';

const [, , dialect, url, count] = process.argv;
const connecting = Array.from({ length: Number(count) }, async (_, index) => {
  const session = await dialects[dialect].connect(
    url + dialects[dialect].path,
    `careless-${index}`,
  );
  await session.stream();
  await session.call('echo', { message: 'hello' });
});
await Promise.all(connecting);
console.log('connected');
setInterval(() => {}, 60_000); // nothing else keeps this process alive
