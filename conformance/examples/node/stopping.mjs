// SPDX-License-Identifier: MIT
// How a server stops (SRV-8, SRV-9).
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from './clock.mjs';
import { print } from './commandline.mjs';

const GRACE = 700; // milliseconds, well below the second allowed
const ROUND = 5; // milliseconds
const QUIET_ROUNDS = 3;

/**
 * On SIGINT or SIGTERM go on serving until nothing more happens, then stop. What the kernel holds of requests that had come
 * cannot be asked in Node, but a few turns of the event loop in which nothing was read show that it is nothing.
 * `activity()` is a count that grows with each read, `settled()` whether all replies have left, `close()` may be async.
 */
export function stopOnSignal({ activity, settled, close }) {
  process.stdout.on('error', () => {}); // nobody reads the lines any more; clients are served all the same
  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    const end = now() + GRACE;
    for (let quiet = 0, before = activity(); quiet < QUIET_ROUNDS && now() < end; before = activity()) {
      await sleep(ROUND);
      quiet = activity() === before && settled() ? quiet + 1 : 0;
    }
    await close();
    print('stopped');
    process.exit(0);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}
