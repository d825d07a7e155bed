// SPDX-License-Identifier: MIT
// What the clients of both transports do in the same way (section 13).
import { complain, display, fail, formatTick, inputs, print, worse } from './commandline.mjs';
import { Fault, parseInput } from './protocol.mjs';

/** A peer that is not there, or not as section 13 wants it: exit status 1. */
export class NoService extends Error {}

/** Whether a time client has subscribed, and may be stopped with status 0. */
export const state = { subscribed: false };

/** Run `main(options)`, which returns the exit status, until it is done or a signal comes. */
export async function run(main, options) {
  const stop = () => (state.subscribed ? process.exit(0) : fail(1, 'stopped before it was done'));
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.stdout.on('error', () => process.exit(1)); // nobody reads any more
  let status;
  try {
    status = await main(options);
  } catch (error) {
    if (error instanceof Fault) fail(2, error.message);
    else if (error instanceof NoService) fail(1, error.message);
    else throw error;
  }
  process.exit(status);
}

/** Complain of an ERR; returns its exit status. */
export function onError({ code, reason }) {
  complain(`${code}: ${reason}`);
  return 3;
}

/** The echo client: `connect()` gives a function that sends a message and returns its reply. Returns the exit status. */
export async function echo(options, connect) {
  if (options.word !== undefined) parseInput(Buffer.from(options.word), 'echo');
  const exchange = await connect();
  let status = 0;
  for await (const input of inputs(options)) {
    let message;
    try {
      message = parseInput(input, 'echo');
    } catch (fault) {
      complain(fault.message);
      status = worse(status, 2);
      continue;
    }
    const reply = await exchange(message);
    if (reply.status === 'OK') {
      for (const [name, value] of Object.entries(reply.fields)) print(`${name}: ${display(value)}`);
    } else {
      status = worse(status, onError(reply.fields));
      if (reply.fields.code === 'busy') break;
    }
  }
  return status;
}

/** The name of a time client; throws Fault. */
export async function askName(options) {
  for await (const input of inputs(options)) return parseInput(input, 'time');
  return parseInput(Buffer.alloc(0), 'time');
}

/** Prints the ticks that CLI-20 and CLI-21 let through. */
export class TickPrinter {
  #seq = 0;
  #time = '';
  #challenged = false;
  #restarted = false;
  #left;

  constructor(ticks = Infinity) {
    this.#left = ticks;
  }

  onChallenge() {
    this.#challenged = true;
  }

  onOk() {
    this.#restarted ||= this.#challenged;
  }

  /** Print the tick if it is a new one; returns whether it was the last wanted. */
  onTick(fields) {
    const seq = Number(fields.seq);
    // the form of TIME-11 sorts as text
    if (seq > this.#seq || (this.#restarted && fields.time > this.#time)) {
      print(formatTick(fields));
      this.#seq = seq;
      this.#time = fields.time;
      this.#challenged = false;
      this.#restarted = false;
      this.#left -= 1;
    }
    return this.#left === 0;
  }
}
