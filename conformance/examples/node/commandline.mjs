// SPDX-License-Identifier: MIT
// How a program meets a person: options, lines printed, exit statuses (sections 12 and 13).
import { lookup } from 'node:dns/promises';
import { parseArgs } from 'node:util';
import { INTERVAL_MAX, INTERVAL_MIN, LineSplitter, MESSAGE_BYTES, PORTS } from './protocol.mjs';

/** What a peer sent, safe to show (SRV-14). */
export function display(text) {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (character) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Print one line. Node writes at once to pipes, files and terminals on POSIX. */
export const print = (line) => process.stdout.write(`${line}\n`);

/** Print one line on standard error. */
export const complain = (line) => process.stderr.write(`${display(line)}\n`);

/** Say why and exit. */
export function fail(status, why) {
  complain(why);
  process.exit(status);
}

/** `127.0.0.1:7007`, `[::1]:7007`; an IPv4 peer of a socket on `::` shows as the IPv4 peer that it is. */
export function formatAddress(address, port) {
  const host = address.replace(/^::ffff:(?=\d+\.)/i, '');
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** All IP addresses of a name as {address, family}, IPv4 first as that is the default host's; throws if there is none. */
export async function resolve(host) {
  if (host === '') throw new Error('the host is empty'); // lookup would take it for "any"
  return lookup(host, { all: true, verbatim: false });
}

const whole = (least, most) => (text) => {
  if (/^[0-9]+$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
  throw new Error('is not allowed');
};
const milliseconds = (pattern, good) => (text) => {
  if (pattern.test(text) && good(Number(text))) return Number(text) * 1000;
  throw new Error('is not allowed');
};
const duration = milliseconds(/^[0-9]+(\.[0-9]+)?$/, (seconds) => seconds > 0);
const interval = (text) => Math.round(
  milliseconds(/^[0-9]+(\.[0-9]{1,3})?$/, (seconds) => seconds >= INTERVAL_MIN && seconds <= INTERVAL_MAX)(text));
const anyText = (text) => text;

const SERVER = {
  host: [anyText, '127.0.0.1'],
  port: [whole(0, 65535)],
  interval: [interval, '3'],
  'max-clients': [whole(1, Number.MAX_SAFE_INTEGER), '1000'],
  'idle-timeout': [duration, '300'],
};
const CLIENT = {
  host: [anyText, '127.0.0.1'],
  port: [whole(1, 65535)],
  timeout: [duration, '10'],
  ticks: [whole(1, Number.MAX_SAFE_INTEGER)],
};

function parse(table, flags, maxWords) {
  const options = Object.fromEntries(Object.keys(table).map((name) => [name, { type: 'string' }]));
  for (const flag of flags) options[flag] = { type: 'boolean' };
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true, strict: true });
    const [service, ...words] = positionals;
    if (!Object.hasOwn(PORTS, service ?? '')) throw new Error('the service is echo or time');
    if (words.length > maxWords) throw new Error('a superfluous word');
    const parsed = { service, word: words[0] };
    for (const [name, [read, fallback]] of Object.entries(table)) {
      const text = values[name] ?? fallback;
      try {
        if (text !== undefined) parsed[name] = read(text);
      } catch (error) {
        throw new Error(`--${name} ${text} ${error.message}`);
      }
    }
    parsed.port ??= PORTS[service];
    for (const flag of flags) parsed[flag] = values[flag] ?? false;
    return parsed;
  } catch (error) {
    return fail(2, `wrong usage: ${error.message.split('\n')[0]}`); // parseArgs adds lines of advice
  }
}

/** The options of a server: durations in milliseconds, under the names on the command line, and `service`. */
export const serverOptions = () => parse(SERVER, ['quiet'], 0);

/** The options of a client, likewise; `word` is the MESSAGE or NAME if there is one. */
export const clientOptions = () => parse(CLIENT, [], 1);

/** Yield what a person gave as message or name, for parseInput: the word, the one line asked for, or each line of stdin. */
export async function* inputs({ service, word }) {
  if (word !== undefined) {
    yield Buffer.from(word);
    return;
  }
  const asking = process.stdin.isTTY && process.stdout.isTTY;
  if (asking) process.stdout.write(service === 'echo' ? 'message: ' : 'name: ');
  const lines = new LineSplitter(MESSAGE_BYTES);
  for await (const chunk of process.stdin) {
    for (const line of lines.push(chunk)) {
      yield line;
      if (asking) return;
    }
  }
  const last = lines.rest();
  if (last !== undefined) yield last;
}

/** Of two exit statuses the one that goes first: 1, 2, 3, 0. */
export const worse = (one, other) => (one && other ? Math.min(one, other) : one || other);

/** A tick as CLI-19 prints it, in the person's time zone. */
export function formatTick({ name, time }) {
  const date = new Date(time);
  const east = -date.getTimezoneOffset(); // minutes
  const local = new Date(date.getTime() + east * 60000).toISOString().slice(0, -1);
  const two = (number) => String(number).padStart(2, '0');
  const offset = `${east < 0 ? '-' : '+'}${two(Math.floor(Math.abs(east) / 60))}:${two(Math.abs(east) % 60)}`;
  return `${display(name)} ${local}${offset}`;
}
