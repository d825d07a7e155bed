// What the servers of both transports do in the same way (section 12).
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from './clock.mjs';
import { display, fail, formatAddress, print, resolve, serverOptions } from './commandline.mjs';

const GRACE = 700; // milliseconds, well below STOP_SECONDS
const ROUND = 5; // milliseconds
const QUIET_ROUNDS = 3;

export const options = serverOptions();

/** Print a line about a client, who is `{address, name}`, the name being that of a subscriber (SRV-4 to SRV-7). */
export function report({ address, name }, what) {
  if (!options.quiet) print(`client ${name === undefined ? address : `${display(name)} (${address})`} ${what}`);
}

/** Give a subscriber a new name, and print so if it is another. */
export function rename(client, name) {
  if (client.name !== name) report(client, `is now ${display(name)}`);
  client.name = name;
}

/**
 * Serve until a signal comes. `listen(address, family)` returns a socket that is about to listen, `received()` a
 * count that grows with what comes, `settled()` whether that has been answered and the transport has the answers.
 */
export async function serve(transport, { listen, received, settled }) {
  let socket;
  try {
    const [{ address, family }] = await resolve(options.host);
    socket = listen(address, family);
    await once(socket, 'listening');
  } catch (error) {
    fail(1, `cannot listen: ${error.message}`);
  }
  socket.on('error', () => {}); // of a datagram that did not arrive, say
  process.stdout.on('error', () => {}); // nobody reads the lines any more; clients are served all the same
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(received, settled));
  print(`waiting for clients on ${options.service}+${transport}://${formatAddress(socket.address())}`);
}

/** Go on until all that had come is answered (SRV-9): a few turns of the event loop with nothing new show that. */
async function stop(received, settled) {
  const end = now() + GRACE;
  for (let quiet = 0, before = received(); quiet < QUIET_ROUNDS && now() < end; before = received()) {
    await sleep(ROUND);
    quiet = received() === before && settled() ? quiet + 1 : 0;
  }
  print('stopped');
  process.exit(0); // what the transport has taken it still delivers
}
