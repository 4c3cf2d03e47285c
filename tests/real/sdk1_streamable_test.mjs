// The 1.x SDK over streamable HTTP (2025-11-25), before server-everything.
import { streamableTest } from './streamable.mjs';
import { dialects } from './clients.mjs';

await streamableTest(dialects.sdk1Streamable);
