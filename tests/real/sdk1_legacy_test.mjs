// The 1.x SDK over HTTP+SSE of 2024-11-05, before server-everything.
import { dialects } from './clients.mjs';
import { legacyTest } from './legacy.mjs';

await legacyTest(dialects.sdk1Legacy);
