// What the clients of both transports do in the same way (section 13).
import { now, whenDue } from './clock.mjs';
import { clientOptions, complain, display, fail, print, resolve } from './commandline.mjs';
import { Fault, LineSplitter, MESSAGE_BYTES, parseInput } from './protocol.mjs';

export const options = clientOptions();

/** A peer that is not there, or not as section 13 wants it: exit status 1. */
export class NoService extends Error {}

/** The server's addresses as {address, family}, to be tried in this order; NoService if there are none by that moment. */
export function addresses(giveUpAt) {
  return new Promise((found, reject) => {
    const giveUp = (why) => reject(new NoService(`no server: ${why}`));
    const cancel = whenDue(() => giveUpAt, () => giveUp('its name was not found in time'));
    resolve(options.host).then(found, (error) => giveUp(error.message)).finally(cancel);
  });
}

let statusWhenStopped = 1;

/** From now on it is no failure to be stopped (CLI-6). */
export function hasSubscribed() {
  statusWhenStopped = 0;
}

/** Run the function of the service, which returns the exit status, until it is done or a signal comes. */
export async function run(services) {
  const stop = () => (statusWhenStopped === 0 ? process.exit(0) : fail(1, 'stopped before it was done'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  process.stdout.on('error', () => process.exit(1)); // nobody reads any more
  try {
    const status = await services[options.service]();
    process.stdout.write('', (error) => process.exit(error ? 1 : status)); // of the lines before, too
  } catch (error) {
    if (error instanceof Fault) fail(2, error.message);
    if (error instanceof NoService) fail(1, error.message);
    throw error;
  }
}

/** Yield what the person gave, for parseInput: the word, the one line asked for, or each line of standard input. */
async function* inputs() {
  if (options.word) {
    yield options.word;
    return;
  }
  if (process.stdin.isTTY && process.stdout.isTTY) process.stdout.write(options.service === 'echo' ? 'message: ' : 'name: ');
  const lines = new LineSplitter(MESSAGE_BYTES);
  for await (const chunk of process.stdin) {
    for (const line of lines.push(chunk)) {
      yield line;
      if (process.stdin.isTTY) return;
    }
  }
  const last = lines.rest();
  if (last !== undefined) yield last;
}

/** The name of a time client; throws Fault. */
export async function askName() {
  for await (const input of inputs()) return parseInput(input, 'time');
  throw new Fault('bad-name', 'a name is missing');
}

/** Complain of an ERR; returns its exit status. */
export function onError({ code, reason }) {
  complain(`${code}: ${reason}`);
  return 3;
}

/** The echo client: `connect()` gives a function that sends a message and returns its reply. Gives the exit status. */
export async function echo(connect) {
  const statuses = [];
  let exchange;
  for await (const input of inputs()) {
    let message;
    try {
      message = parseInput(input, 'echo');
    } catch (fault) {
      complain(fault.message);
      statuses.push(2);
      continue;
    }
    exchange ??= await connect();
    const { status, fields } = await exchange(message);
    if (status === 'ERR') {
      statuses.push(onError(fields));
      if (fields.code === 'busy') break;
    } else {
      for (const [name, value] of Object.entries(fields)) print(`${name}: ${display(value)}`);
      statuses.push(0);
    }
  }
  if (statuses.length === 0) throw new Fault('bad-request', 'a message is missing');
  return [2, 3].find((status) => statuses.includes(status)) ?? 0;
}

/** A tick as CLI-19 shows it, in the person's time zone. */
function formatTick({ name, time }) {
  const date = new Date(time);
  const east = Math.trunc(-date.getTimezoneOffset()); // minutes; RFC 3339 has no seconds in an offset
  const local = new Date(date.getTime() + east * 60000).toISOString().slice(0, -1);
  const two = (number) => String(number).padStart(2, '0');
  const offset = `${east < 0 ? '-' : '+'}${two(Math.floor(Math.abs(east) / 60))}:${two(Math.abs(east) % 60)}`;
  return `${display(name)} ${local}${offset}`;
}

/**
 * Gives the function that prints a tick if it is newer than the last one printed (CLI-20), as `isNewer` says, and
 * returns whether it did, and whether all ticks that are wanted have been printed.
 */
export function tickPrinter(isNewer) {
  let left = options.ticks ?? Infinity;
  return (tick) => {
    const printed = isNewer(tick);
    if (printed) {
      print(formatTick(tick));
      left -= 1;
    }
    return { printed, done: left === 0 };
  };
}

/** Replies that have come, for a client that waits for them one at a time. */
export class Inbox {
  #replies = [];
  #failure;
  #wake = () => {};

  push(reply) {
    this.#replies.push(reply);
    this.#wake();
  }

  /** Nothing comes any more: once the replies are taken, `next` throws NoService. */
  fail(why) {
    this.#failure ??= new NoService(why);
    this.#wake();
  }

  /** The next reply, or undefined if none has come when the moment `due` (as of now()) is reached. */
  async next(due) {
    if (this.#replies.length === 0 && !this.#failure) {
      await new Promise((resolve) => {
        const cancel = whenDue(() => due, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
    }
    if (this.#replies.length === 0 && this.#failure) throw this.#failure;
    return this.#replies.shift();
  }
}
