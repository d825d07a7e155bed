// The TCP client: echo or time.
import { once } from 'node:events';
import { connect as dial } from 'node:net';
import { Inbox, NoService, addresses, askName, echo, hasSubscribed, onError, options, run, tickPrinter } from './client.mjs';
import { now, whenDue } from './clock.mjs';
import { formatAddress, print } from './commandline.mjs';
import { LEASE_INTERVALS, Malformed, REPLY_BYTES, parseReply } from './protocol.mjs';

const { service, timeout } = options;

/** A connected socket. */
async function reach() {
  const giveUpAt = now() + timeout;
  let failure = new Error('no address');
  for (const { address } of await addresses(giveUpAt)) {
    try {
      const socket = dial({ host: address, port: options.port, noDelay: true });
      const cancel = whenDue(() => giveUpAt, () => socket.destroy(new Error('no connection in time')));
      await once(socket, 'connect');
      cancel();
      return socket;
    } catch (error) {
      failure = error;
    }
  }
  throw new NoService(`no server: ${failure.message}`);
}

/** Connect; returns how to send text, and to receive the next reply within some milliseconds, or else NoService. */
async function connect() {
  const socket = await reach();
  const inbox = new Inbox();
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    try {
      for (let end; (end = bytes.indexOf('\n\n')) >= 0; bytes = bytes.subarray(end + 2)) {
        inbox.push(parseReply(bytes.subarray(0, end + 2), service, 'tcp'));
      }
      if (bytes.length > REPLY_BYTES) throw new Malformed(`a reply of more than ${REPLY_BYTES} bytes`);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      inbox.fail(error.message);
      socket.destroy();
    }
  });
  const onEnd = () => inbox.fail('the server closed the connection too early');
  socket.on('end', onEnd).on('error', onEnd);
  print(`connected to ${service}+tcp://${formatAddress({ address: socket.remoteAddress, port: socket.remotePort })}`);
  return {
    send: (text) => socket.write(text),
    receive: async (wait) => {
      const reply = await inbox.next(now() + wait);
      if (reply === undefined) throw new NoService('no answer');
      return reply;
    },
  };
}

async function connectEcho() {
  const { send, receive } = await connect();
  return async (message) => {
    send(`ECHO ${message}\n`);
    const reply = await receive(timeout);
    if (reply.status === 'OK' && reply.fields.message !== message) {
      throw new NoService('a reply with another message than was sent');
    }
    return reply;
  };
}

async function time() {
  const name = await askName();
  const { send, receive } = await connect();
  let newest = 0n;
  const printTick = tickPrinter(({ seq }) => {
    const isNewer = BigInt(seq) > newest;
    if (isNewer) newest = BigInt(seq);
    return isNewer;
  });
  send(`TIME ${name}\n`);
  let interval; // milliseconds, once subscribed
  let giveUpAt = now() + timeout;
  for (;;) {
    const { status, fields } = await receive(giveUpAt - now());
    if (status === 'ERR') return onError(fields);
    if ((status === 'OK') === Boolean(interval)) throw new NoService('a reply that answers nothing asked');
    if (status === 'OK') {
      interval = Number(fields.interval) * 1000;
      hasSubscribed();
    } else {
      const { printed, done } = printTick(fields);
      if (done) return 0;
      if (!printed) {
        if (now() >= giveUpAt) throw new NoService('no answer');
        continue;
      }
    }
    giveUpAt = now() + Math.max(timeout, LEASE_INTERVALS * interval);
  }
}

await run({ echo: () => echo(connectEcho), time });
