// The UDP client: echo, or time with tokens and leases.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  Inbox, NoService, addresses, askName, echo, hasSubscribed, onError, options, run, tickPrinter,
} from './client.mjs';
import { now } from './clock.mjs';
import { complain, formatAddress, print } from './commandline.mjs';
import { LATE_SECONDS, LEASE_INTERVALS, Malformed, parseReply } from './protocol.mjs';

const { service, timeout } = options;

const RESEND = [1000, 2000, 4000]; // milliseconds from each sending of a request to the next (CLI-13)

/** A socket that sends to the server alone. Throws if there is no way to it. */
async function reach({ address, family }) {
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  socket.connect(options.port, address);
  await once(socket, 'connect');
  return socket;
}

/** In place of a reply: there was no way to the server, and all starts anew at its next address (CLI-7). */
const MOVED = { status: 'MOVED' };

/** Returns how to send text, to receive a well-formed reply or MOVED by a moment, and to take a reply for a proof (CLI-2). */
async function connect() {
  const untried = await addresses(now() + timeout);
  const inbox = new Inbox();
  let proved = false;
  let socket;
  let server;
  let sent = false;
  const send = (text) => {
    const sender = socket;
    sent = true;
    sender.send(text, (error) => error && onFailure(sender, error));
  };
  // A port that is unreachable, say. There may be another address; and a server that was there may be restarting.
  const onFailure = async (failed, error) => {
    if (proved || failed !== socket) return;
    if (untried.length === 0) {
      inbox.fail(`no server: ${error.message}`);
      return;
    }
    try {
      await open();
    } catch (problem) {
      inbox.fail(problem.message);
      return;
    }
    if (sent) inbox.push(MOVED);
  };
  const open = async () => {
    let failure = new Error('no address');
    socket = undefined;
    while (socket === undefined && untried.length > 0) {
      try {
        socket = await reach(untried.shift());
      } catch (error) {
        failure = error;
      }
    }
    if (socket === undefined) throw new NoService(`no server: ${failure.message}`);
    server = socket.remoteAddress();
    const opened = socket;
    opened.on('error', (error) => onFailure(opened, error));
    opened.on('message', (datagram, peer) => {
      // the kernel drops other peers' datagrams, but not between bind and connect
      if (peer.address !== server.address || peer.port !== server.port) return;
      try {
        inbox.push(parseReply(datagram, service, 'udp'));
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        complain(error.message);
      }
    });
  };
  await open();
  return {
    send,
    receive: (due) => inbox.next(due),
    prove: () => {
      if (!proved) print(`connected to ${service}+udp://${formatAddress(server)}`);
      proved = true;
    },
  };
}

async function connectEcho() {
  const { send, receive, prove } = await connect();
  return async (message) => {
    let giveUpAt;
    for (let sendings = 0; ; sendings += 1) {
      send(`ECHO ${message}\n`);
      giveUpAt ??= now() + timeout;
      const due = Math.min(giveUpAt, now() + (RESEND[sendings] ?? Infinity));
      for (let reply; (reply = await receive(due)); ) {
        if (reply === MOVED) {
          sendings = -1;
          giveUpAt = undefined;
          break;
        }
        if (reply.status === 'ERR' || reply.fields.message === message) {
          prove();
          return reply;
        }
        if (now() >= due) break; // other replies may come for ever
      }
      if (now() >= giveUpAt) throw new NoService('no answer');
    }
  };
}

/** Which ticks are newer than the last one printed: the table of CLI-20. RFC 3339 in UTC sorts as text. */
class TickOrder {
  #last; // seq
  #latest; // time
  #firstTicks = new Map(); // of this subscription: seq to time
  #lease; // milliseconds
  #okAt;
  #mistrustsUntil = -Infinity;
  #mayBeginUntil = -Infinity;

  onOk(interval, challenged) {
    const lease = LEASE_INTERVALS * interval;
    if (this.#okAt !== undefined && (challenged || now() >= this.#okAt + this.#lease)) this.#mayBeginUntil = now() + lease;
    this.#okAt = now();
    this.#lease = lease;
  }

  isNewer({ seq, time }) {
    const number = Number(seq);
    const isLater = this.#latest === undefined || time > this.#latest;
    const isHigher = this.#last === undefined || number > this.#last;
    if (!isLater && now() < this.#mistrustsUntil) return false;
    if (!isHigher) {
      if (!isLater && (now() >= this.#mayBeginUntil || number > LEASE_INTERVALS || this.#fits(number, time))) return false;
      this.#latest = undefined; // a new subscription
      this.#firstTicks.clear();
      this.#mistrustsUntil = now() + Math.max(this.#lease ?? 0, 1000 * LATE_SECONDS);
      this.#mayBeginUntil = -Infinity;
    }
    this.#last = number;
    if (this.#latest === undefined || time > this.#latest) this.#latest = time;
    if (number <= LEASE_INTERVALS) this.#firstTicks.set(number, time);
    return true;
  }

  #fits(number, time) {
    const ticks = [...this.#firstTicks];
    if (ticks.some(([n, t]) => n === number && t === time)) return true;
    return ticks.every(([n, t]) => n !== number && (n < number) === (t < time));
  }
}

async function time() {
  const name = await askName();
  const { send, receive, prove } = await connect();
  const order = new TickOrder();
  const printTick = tickPrinter((fields) => order.isNewer(fields));
  let challenged = false; // since the last OK
  let token;
  let interval; // milliseconds, once subscribed
  let renewAt = Infinity; // the next renewal; between two of them is a repetition (CLI-28)
  let sendings = 0; // of a request that has had no answer
  let sendAt; // the next one that is no answer itself
  let mayAnswer; // a CHALLENGE (CLI-17)

  const sendTime = () => {
    send(`TIME ${name}\n${token === undefined ? '' : `token: ${token}\n`}`);
    sendAt = now() + (interval / 2 || (RESEND[sendings] ?? RESEND.at(-1)));
    if (interval && now() >= renewAt) renewAt = now() + interval;
    sendAt = Math.min(sendAt, renewAt);
    sendings += 1;
    mayAnswer = true;
  };
  const answerChallenge = () => {
    sendings = 0; // a new request; it puts off no renewal (CLI-18)
    sendTime();
    mayAnswer = false;
  };
  const patience = () => now() + Math.max(timeout, LEASE_INTERVALS * (interval ?? 0));

  sendTime();
  let giveUpAt = patience();
  for (;;) {
    const reply = await receive(Math.min(sendAt, giveUpAt));
    if (reply && reply !== MOVED) prove();
    switch (reply?.status) {
      case 'MOVED':
        sendings = 0;
        giveUpAt = patience();
        sendTime();
        break;
      case 'ERR':
        return onError(reply.fields);
      case 'CHALLENGE':
        token = reply.fields.token;
        challenged = true;
        if (mayAnswer) answerChallenge();
        break;
      case 'OK':
        hasSubscribed();
        interval = Number(reply.fields.interval) * 1000;
        sendAt = renewAt = Math.min(renewAt, now() + interval);
        order.onOk(interval, challenged);
        challenged = false;
        giveUpAt = patience();
        break;
      case 'TICK': {
        const { printed, done } = printTick(reply.fields);
        if (done) return 0;
        if (printed) giveUpAt = patience();
      }
    }
    if (now() >= giveUpAt) throw new NoService('no answer');
    if (now() >= sendAt) sendTime();
  }
}

await run({ echo: () => echo(connectEcho), time });
