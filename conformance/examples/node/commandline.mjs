// How a program meets a person: options, lines printed, exit statuses (sections 12 and 13).
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { INTERVAL_MAX, INTERVAL_MIN, PORTS } from './protocol.mjs';

/** What a peer sent, safe to show (SRV-14). */
export const display = (text) =>
  text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (character) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

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
export function formatAddress({ address, port }) {
  const host = address.replace(/^::ffff:(?=\d+\.)/i, '');
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The IP addresses of a host as {address, family}, IPv4 first, as the default host; throws if there is none. */
export async function resolve(host) {
  if (host === '') throw new Error('the host is empty'); // lookup would take it for "any"
  return lookup(host, { all: true, verbatim: true });
}

// Readers of an option's text; undefined for what is not allowed. Durations are in seconds there, in milliseconds here.
const reader = (form, least, most, unit) => (text) =>
  (form.test(text) && Number(text) >= least && Number(text) <= most ? Number(text + unit) : undefined);
const whole = (least, most = Infinity) => reader(/^[0-9]+$/, least, most, '');
const duration = reader(/^[0-9]+(\.[0-9]+)?$/, Number.MIN_VALUE, Infinity, 'e3');
const interval = reader(/^[0-9]+(\.[0-9]{1,3})?$/, INTERVAL_MIN, INTERVAL_MAX, 'e3'); // 1.001 * 1000 is not 1001

const HOST = { type: 'string', default: '127.0.0.1' };
const SERVER = {
  host: HOST,
  port: { type: 'string', read: whole(0, 65535) },
  interval: { type: 'string', default: '3', read: interval },
  'max-clients': { type: 'string', default: '1000', read: whole(1) },
  'idle-timeout': { type: 'string', default: '300', read: duration },
  quiet: { type: 'boolean', default: false },
};
const CLIENT = {
  host: HOST,
  port: { type: 'string', read: whole(1, 65535) },
  timeout: { type: 'string', default: '10', read: duration },
  ticks: { type: 'string', read: whole(1) },
};

/** The words after the program as bytes. Node has replaced what is not UTF-8 in its own; Linux has kept it (CLI-8). */
function wordsAsBytes() {
  const words = process.argv.slice(2);
  try {
    const all = readFileSync('/proc/self/cmdline', 'latin1').split('\0').slice(0, -1);
    return words.map((_, index) => Buffer.from(all.at(index - words.length), 'latin1'));
  } catch {
    return words.map((word) => Buffer.from(word));
  }
}

function parse(table, mostWords) {
  try {
    const { values, tokens } = parseArgs({ options: table, allowPositionals: true, tokens: true });
    const [service, word, ...superfluous] = tokens.filter(({ kind }) => kind === 'positional');
    if (!Object.hasOwn(PORTS, service?.value ?? '')) throw new Error('the service is echo or time');
    if (superfluous.length > 0 || (word && mostWords === 0)) throw new Error('a superfluous word');
    const given = tokens.filter(({ name }) => table[name]?.read).map(({ name, value }) => [name, value]);
    for (const [name, text] of [...given, ...Object.entries(values)]) { // of two values both are checked
      values[name] = table[name].read ? table[name].read(text) : text;
      if (values[name] === undefined) throw new Error(`--${name} ${text} is not allowed`);
    }
    return { port: PORTS[service.value], ...values, service: service.value, word: word && wordsAsBytes()[word.index] };
  } catch (error) {
    return fail(2, `wrong usage: ${error.message.split('\n')[0]}`); // parseArgs adds lines of advice
  }
}

/** How many files the system lets this program open, as far as it tells. */
export function openFilesAllowed() {
  try {
    return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}

/** The options of a server by their names on the command line, and `service`. */
export const serverOptions = () => parse(SERVER, 0);

/** The options of a client, likewise; `word` is the MESSAGE or NAME, as bytes, if there is one. */
export const clientOptions = () => parse(CLIENT, 1);
