// SPDX-License-Identifier: MIT
// The bytes of requests and replies (sections 3, 4, 7, 8 and 10): no sockets, no clocks.
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';

export const MESSAGE_BYTES = 4096;
export const LINE_BYTES = 4101;
export const REPLY_BYTES = 32768;
export const NAME_CHARACTERS = 64;
export const REASON_CHARACTERS = 40;
export const TOKEN_CHARACTERS = 20;
export const TOKEN_INTERVALS = 10;
export const LEASE_INTERVALS = 3;
export const INTERVAL_MIN = 0.01; // seconds
export const INTERVAL_MAX = 86400; // seconds
export const UNSENT_BYTES = 1048576;
export const PORTS = { echo: 7007, time: 7037 };
const VERBS = { echo: 'ECHO', time: 'TIME' };

const CONTROL = /\p{Cc}/u;
const CONTROL_BUT_TAB = /(?!\t)\p{Cc}/u;
const FIELD = /^([a-z][a-z0-9-]*): (.*)$/su; // s: U+2028 and its like are characters of a value
const LF = 0x0a;
const CR = 0x0d;

/** A fault of a request, as section 10 names it. */
export class Fault extends Error {
  constructor(code, reason) {
    super(reason);
    this.code = code;
  }
}

/** Bytes to text; throws Fault. Unlike TextDecoder's default, toString keeps a leading U+FEFF. */
function decode(bytes) {
  if (!isUtf8(bytes)) throw new Fault('bad-encoding', 'not well-formed UTF-8');
  return bytes.toString('utf8');
}

// A string's length and index count UTF-16 units; its iterator goes by code points.
const codePoints = (text) => [...text];

/** Return `message` if it is good, else throw Fault. */
export function checkMessage(message) {
  if (CONTROL_BUT_TAB.test(message)) throw new Fault('bad-character', 'a control character in the message');
  return message;
}

/** Return `name` if it is good, else throw Fault. */
export function checkName(name) {
  if (CONTROL.test(name)) throw new Fault('bad-character', 'a control character in the name');
  if (name === '') throw new Fault('bad-name', 'a name has at least one character');
  if (name.startsWith(' ') || name.endsWith(' ')) throw new Fault('bad-name', 'a name has no space at either end');
  if (codePoints(name).length > NAME_CHARACTERS) {
    throw new Fault('bad-name', `a name has at most ${NAME_CHARACTERS} characters`);
  }
  return name;
}

const CHECKS = { echo: checkMessage, time: checkName };
const tooLong = () => new Fault('too-long', `a line has at most ${LINE_BYTES} bytes`);

function splitVerb(line) {
  const space = line.indexOf(' ');
  return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)];
}

/** Cuts a byte stream into lines, whatever the chunks, holding at most `limit` + 1 bytes (the one for a CR). */
export class LineSplitter {
  #limit;
  #pending = Buffer.alloc(0);
  #skipping = false;

  constructor(limit) {
    this.#limit = limit;
  }

  /** Yield for each line that `chunk` completes its bytes without LF or CRLF, or null if they are more than `limit`. */
  *push(chunk) {
    let start = 0;
    for (let end; (end = chunk.indexOf(LF, start)) >= 0; start = end + 1) {
      this.#keep(chunk.subarray(start, end));
      yield this.#take(true);
    }
    this.#keep(chunk.subarray(start));
  }

  /** The last, incomplete line: bytes, null if too long, undefined if there is none. */
  rest() {
    return this.#pending.length === 0 && !this.#skipping ? undefined : this.#take(false);
  }

  #keep(part) {
    if (this.#skipping || part.length === 0) return;
    this.#skipping = this.#pending.length + part.length > this.#limit + 1;
    // concat copies, so that no large chunk is held for a few bytes of it
    this.#pending = this.#skipping ? Buffer.alloc(0) : Buffer.concat([this.#pending, part]);
  }

  #take(ended) {
    let line = this.#pending;
    if (ended && line.at(-1) === CR) line = line.subarray(0, -1);
    const good = !this.#skipping && line.length <= this.#limit;
    this.#pending = Buffer.alloc(0);
    this.#skipping = false;
    return good ? line : null;
  }
}

/** The argument of a request over TCP, from what LineSplitter yields; throws Fault. */
export function parseLine(line, service) {
  if (line === null) throw tooLong();
  const [verb, argument] = splitVerb(decode(line));
  if (verb !== VERBS[service]) throw new Fault('unknown-verb', `the verb here is ${VERBS[service]}`);
  return CHECKS[service](argument);
}

function datagramLines(text) {
  const lines = text.split('\n');
  const last = lines.pop(); // a line without LF, where CR is no part of the end
  const ended = lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  return last === '' && ended.length > 0 ? ended : [...ended, last];
}

/** Whether a datagram is a request here: anything else gets no answer (UDP-2). */
export function isRequest(datagram, service) {
  // latin1 keeps bytes apart, as is needed before the encoding has been checked
  return splitVerb(datagramLines(datagram.toString('latin1'))[0])[0] === VERBS[service];
}

/** {argument, fields: Map} of a datagram that is a request; throws Fault. */
export function parseDatagram(datagram, service) {
  if (datagramLines(datagram.toString('latin1')).some((line) => line.length > LINE_BYTES)) throw tooLong();
  const [first, ...further] = datagramLines(decode(datagram));
  const fields = further.map((line) => FIELD.exec(line));
  if (fields.includes(null)) throw new Fault('bad-request', 'a further line is no field');
  if (fields.some(([, , value]) => CONTROL.test(value))) {
    throw new Fault('bad-character', 'a control character in a field');
  }
  const argument = CHECKS[service](splitVerb(first)[1]);
  // reversed, so that the first of several of one name is what stays
  return { argument, fields: new Map(fields.reverse().map(([, name, value]) => [name, value])) };
}

/** A reply's text; `fields` is an object in the fields' order. */
export function formatReply(status, fields) {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
  return `${status}\n${lines.join('')}\n`;
}

export const faultReply = (fault) => formatReply('ERR', { code: fault.code, reason: fault.message });
export const BUSY = new Fault('busy', 'the server is at its limit of clients');

/** The OK to an ECHO. */
export function echoReply(message, transport) {
  const points = codePoints(message);
  const fields = {
    message,
    reversed: points.toReversed().join(''),
    upper: message.toUpperCase(), // full and locale-independent, unlike toLocaleUpperCase
    length: points.length,
  };
  if (transport === 'tcp') {
    const bytes = Buffer.from(message);
    fields.bytes = bytes.length;
    fields.sha256 = createHash('sha256').update(bytes).digest('hex');
  }
  return formatReply('OK', fields);
}

/** A TICK of this moment. */
export const tickReply = (name, seq) => formatReply('TICK', { name, time: new Date().toISOString(), seq });

/** A reply that breaks the document (CLI-11). */
export class Malformed extends Error {}

const isNumber = (value) => /^(0|[1-9][0-9]*)$/.test(value);
const isDecimal = (value) => /^(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$/.test(value);
function isName(value) {
  try {
    checkName(value);
    return true;
  } catch {
    return false;
  }
}
// toISOString of what Date made of it is the same text only for a date-time of TIME-11 that exists
const isTime = (value) => !Number.isNaN(Date.parse(value)) && new Date(value).toISOString() === value;

const FORMS = {
  message: () => true,
  reversed: () => true,
  upper: () => true,
  length: isNumber,
  bytes: isNumber,
  sha256: (value) => /^[0-9a-f]{64}$/.test(value),
  name: isName,
  interval: (value) => isDecimal(value) && Number(value) >= INTERVAL_MIN && Number(value) <= INTERVAL_MAX,
  lease: isDecimal,
  time: isTime,
  seq: (value) => isNumber(value) && value !== '0',
  token: (value) => /^[!-~]+$/.test(value) && value.length <= TOKEN_CHARACTERS,
  code: (value) => /^[a-z][a-z0-9-]*$/.test(value),
  reason: (value) => /^[ -~]+$/.test(value) && value.length <= REASON_CHARACTERS,
};

/** The fields of each status that can answer a request, in their order. */
function expectedFields(service, transport) {
  const ERR = ['code', 'reason'];
  if (service === 'echo') {
    return { OK: ['message', 'reversed', 'upper', 'length', ...(transport === 'tcp' ? ['bytes', 'sha256'] : [])], ERR };
  }
  const TICK = ['name', 'time', 'seq'];
  return transport === 'tcp'
    ? { OK: ['name', 'interval'], TICK, ERR }
    : { OK: ['name', 'interval', 'lease'], TICK, CHALLENGE: ['token'], ERR };
}

/** {status, fields} of a reply's bytes, `fields` being an object of the known ones in order; throws Malformed. */
export function parseReply(bytes, service, transport) {
  if (bytes.length > REPLY_BYTES) throw new Malformed(`a reply of more than ${REPLY_BYTES} bytes`);
  if (!isUtf8(bytes)) throw new Malformed('a reply that is not well-formed UTF-8');
  const [status, ...lines] = bytes.toString('utf8').split('\n');
  if (lines.pop() !== '' || lines.pop() !== '') throw new Malformed('a reply without an empty line at its end');
  const expected = expectedFields(service, transport);
  if (!Object.hasOwn(expected, status)) throw new Malformed('a reply with a status that answers nothing asked');
  const came = new Map();
  for (const line of lines) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined) throw new Malformed('a reply with a line that is no field');
    const control = ['message', 'reversed', 'upper'].includes(name) ? CONTROL_BUT_TAB : CONTROL;
    if (control.test(value)) throw new Malformed('a reply with a control character');
    if (!came.has(name)) came.set(name, value);
  }
  const fields = {};
  for (const name of expected[status]) {
    if (!came.has(name)) throw new Malformed(`a reply without the field ${name}`);
    if (!FORMS[name](came.get(name))) throw new Malformed(`a reply with a strange value of ${name}`);
    fields[name] = came.get(name);
  }
  return { status, fields };
}

/** Bytes of a person's input to a message or name; null stands for too long. Throws Fault. */
export function parseInput(bytes, service) {
  if (bytes === null || bytes.length > MESSAGE_BYTES) {
    throw new Fault('too-long', `a message has at most ${MESSAGE_BYTES} bytes`);
  }
  return CHECKS[service](decode(bytes));
}
