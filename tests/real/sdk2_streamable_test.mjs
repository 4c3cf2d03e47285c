// The 2.x SDK in its default mode, which speaks streamable HTTP of 2025-11-25.
import { streamableTest } from './streamable.mjs';
import { dialects } from './clients.mjs';

await streamableTest(dialects.sdk2Streamable);
