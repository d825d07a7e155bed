// The bytes of requests and replies (sections 3, 4, 7, 8 and 10): no sockets, no clocks but the wall's.
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';

export const MESSAGE_BYTES = 4096;
export const LINE_BYTES = 4101;
export const REPLY_BYTES = 32768;
export const NAME_CHARACTERS = 64;
export const TOKEN_CHARACTERS = 20;
export const TOKEN_INTERVALS = 40;
export const TOKEN_SECONDS = 2;
export const LEASE_INTERVALS = 4;
export const LATE_SECONDS = 10;
export const INTERVAL_MIN = 0.01; // seconds
export const INTERVAL_MAX = 86400; // seconds
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

export const BUSY = new Fault('busy', 'the server is at its limit of clients');
const tooLong = (what, limit) => new Fault('too-long', `a ${what} has at most ${limit} bytes`);

/** Bytes to text; throws Fault. Unlike TextDecoder's default, toString keeps a leading U+FEFF. */
function decode(bytes) {
  if (!isUtf8(bytes)) throw new Fault('bad-encoding', 'not well-formed UTF-8');
  return bytes.toString('utf8');
}

// A string's length and index count UTF-16 units; its iterator goes by code points.
const codePoints = (text) => [...text];

function checkMessage(message) {
  if (CONTROL_BUT_TAB.test(message)) throw new Fault('bad-character', 'a control character in the message');
  return message;
}

function checkName(name) {
  if (CONTROL.test(name)) throw new Fault('bad-character', 'a control character in the name');
  if (name === '') throw new Fault('bad-name', 'a name has at least one character');
  if (name.startsWith(' ') || name.endsWith(' ')) throw new Fault('bad-name', 'a name has no space at either end');
  if (codePoints(name).length > NAME_CHARACTERS) {
    throw new Fault('bad-name', `a name has at most ${NAME_CHARACTERS} characters`);
  }
  return name;
}

/** Return the argument of a request if it is good, else throw Fault. */
const CHECKS = { echo: checkMessage, time: checkName };

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
      yield this.#take();
    }
    this.#keep(Buffer.from(chunk.subarray(start))); // a copy, so that no large chunk is held for a few bytes of it
  }

  /** The last line, which lacks its LF: bytes, null if too long, undefined if there is none. */
  rest() {
    return this.#pending.length === 0 && !this.#skipping ? undefined : this.#take();
  }

  #keep(part) {
    this.#skipping ||= this.#pending.length + part.length > this.#limit + 1;
    if (this.#skipping) this.#pending = Buffer.alloc(0);
    else this.#pending = this.#pending.length === 0 ? part : Buffer.concat([this.#pending, part]);
  }

  #take() {
    if (this.#pending.at(-1) === CR) this.#pending = this.#pending.subarray(0, -1);
    const line = this.#skipping || this.#pending.length > this.#limit ? null : this.#pending;
    this.#pending = Buffer.alloc(0);
    this.#skipping = false;
    return line;
  }
}

function splitVerb(line) {
  const space = line.indexOf(' ');
  return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)];
}

/** The argument of a request over TCP, from what LineSplitter yields; throws Fault. */
export function parseLine(line, service) {
  if (line === null) throw tooLong('line', LINE_BYTES);
  const [verb, argument] = splitVerb(decode(line));
  if (verb !== VERBS[service]) throw new Fault('unknown-verb', `the verb here is ${VERBS[service]}`);
  return CHECKS[service](argument);
}

/** The lines of a datagram, as strings of one character a byte, since their encoding has not been checked yet. */
export function datagramLines(datagram) {
  const lines = datagram.toString('latin1').split('\n');
  const last = lines.pop(); // it lacks its LF: a CR is no part of its end
  const ended = lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  return last === '' && ended.length > 0 ? ended : [...ended, last];
}

/** Whether the lines of a datagram are a request here: anything else gets no answer (UDP-2). */
export const isRequest = ([first], service) => splitVerb(first)[0] === VERBS[service];

/** {argument, fields: Map} of the lines of a request over UDP; throws Fault. */
export function parseDatagram(lines, service) {
  if (lines.some((line) => line.length > LINE_BYTES)) throw tooLong('line', LINE_BYTES);
  const [first, ...further] = lines.map((line) => decode(Buffer.from(line, 'latin1')));
  const fields = further.map((line) => FIELD.exec(line));
  if (fields.includes(null)) throw new Fault('bad-request', 'a further line is no field');
  if (fields.some(([, , value]) => CONTROL.test(value))) {
    throw new Fault('bad-character', 'a control character in a field');
  }
  const argument = CHECKS[service](splitVerb(first)[1]);
  // reversed, so that the first of several of one name is what stays
  return { argument, fields: new Map(fields.reverse().map(([, name, value]) => [name, value])) };
}

/** A person's message or name from its bytes, or from null for what is too long; throws Fault. */
export function parseInput(bytes, service) {
  if (bytes === null || bytes.length > MESSAGE_BYTES) throw tooLong('message', MESSAGE_BYTES);
  return CHECKS[service](decode(bytes));
}

/** A reply's text; `fields` is an object in the fields' order. */
export function formatReply(status, fields) {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
  return `${status}\n${lines.join('')}\n`;
}

/** The ERR to a Fault; what else was thrown it throws on. */
export function faultReply(fault) {
  if (!(fault instanceof Fault)) throw fault;
  return formatReply('ERR', { code: fault.code, reason: fault.message });
}

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

const seconds = (milliseconds) => String(milliseconds / 1000); // exact and without exponent from 0.01 to 259200

/** The OK to a TIME, from milliseconds; over UDP with a lease. */
export function subscribedReply(name, interval, lease) {
  return formatReply('OK', { name, interval: seconds(interval), ...(lease && { lease: seconds(lease) }) });
}

/** A TICK of this moment. */
export const tickReply = (name, seq) => formatReply('TICK', { name, time: new Date().toISOString(), seq });

/** A reply that breaks the document (CLI-11). */
export class Malformed extends Error {}

function isName(value) {
  try {
    return checkName(value) === value;
  } catch {
    return false;
  }
}

function isTime(value) { // a date that does not exist comes back as another one, or not at all
  return value.length === 24 && !Number.isNaN(Date.parse(value)) && new Date(value).toISOString() === value;
}

const isNumber = (value) => /^(0|[1-9][0-9]*)$/.test(value);
const isDecimal = (value) => /^(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$/.test(value);
const FORMS = {
  length: isNumber,
  bytes: isNumber,
  sha256: (value) => /^[0-9a-f]{64}$/.test(value),
  name: isName,
  interval: (value) => isDecimal(value) && Number(value) >= INTERVAL_MIN && Number(value) <= INTERVAL_MAX,
  lease: isDecimal,
  time: isTime,
  seq: (value) => isNumber(value) && value !== '0',
  token: (value) => /^[!-~]+$/.test(value) && value.length <= TOKEN_CHARACTERS,
};

const ECHO = ['message', 'reversed', 'upper', 'length'];
const ERR = ['code', 'reason'];
const TICK = ['name', 'time', 'seq'];
/** The fields of each status that can answer a request, in their order. */
const EXPECTED = {
  echo: {
    tcp: { OK: [...ECHO, 'bytes', 'sha256'], ERR },
    udp: { OK: ECHO, ERR },
  },
  time: {
    tcp: { OK: ['name', 'interval'], TICK, ERR },
    udp: { OK: ['name', 'interval', 'lease'], TICK, CHALLENGE: ['token'], ERR },
  },
};

/** {status, fields} of a reply's bytes, `fields` being an object of the known ones in order; throws Malformed. */
export function parseReply(bytes, service, transport) {
  if (bytes.length > REPLY_BYTES) throw new Malformed(`a reply of more than ${REPLY_BYTES} bytes`);
  if (!isUtf8(bytes)) throw new Malformed('a reply that is not well-formed UTF-8');
  const [status, ...lines] = bytes.toString('utf8').split('\n');
  if (lines.pop() !== '' || lines.pop() !== '') throw new Malformed('a reply without an empty line at its end');
  const expected = EXPECTED[service][transport];
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
    fields[name] = came.get(name);
    if (FORMS[name]?.(fields[name]) === false) throw new Malformed(`a reply with a strange value of ${name}`);
  }
  return { status, fields };
}
