#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The TCP client: echo or time.
import { connect } from 'node:net';
import { now, whenDue } from './clock.mjs';
import { clientOptions, formatAddress, print, resolve } from './commandline.mjs';
import { Inbox } from './inbox.mjs';
import { LEASE_INTERVALS, Malformed, REPLY_BYTES, parseReply } from './protocol.mjs';
import { NoService, TickPrinter, askName, echo, onError, run, state } from './session.mjs';

/** A connected socket to the first address that takes the connection within `timeout` milliseconds in all. */
async function dial({ host, port, timeout }) {
  const giveUpAt = now() + timeout;
  let failure;
  try {
    for (const { address } of await resolve(host)) {
      const socket = connect({ host: address, port, noDelay: true });
      const cancel = whenDue(() => giveUpAt, () => socket.destroy(new Error('no connection in time')));
      try {
        await new Promise((done, failed) => socket.once('connect', done).once('error', failed));
        return socket;
      } catch (error) {
        failure = error;
      } finally {
        cancel();
      }
    }
  } catch (error) {
    failure = error;
  }
  throw new NoService(`no server: ${failure.message}`);
}

/** A connection to the server. */
class Link {
  #inbox = new Inbox();
  #service;
  #socket;
  #bytes = Buffer.alloc(0);

  static async open(options) {
    const link = new Link();
    link.#service = options.service;
    const socket = await dial(options);
    link.#socket = socket;
    print(`connected to ${options.service}+tcp://${formatAddress(socket.remoteAddress, socket.remotePort)}`);
    socket.on('data', (chunk) => link.#onData(chunk));
    const closed = () => link.#inbox.fail(new NoService('the server closed the connection too early'));
    socket.on('end', closed);
    socket.on('error', closed);
    return link;
  }

  send(text) {
    this.#socket.write(text);
  }

  /** The next reply; throws NoService if none has come at the moment `due`. */
  async receive(due) {
    const reply = await this.#inbox.next(due);
    if (reply === undefined) throw new NoService('no answer');
    return reply;
  }

  #onData(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    try {
      for (let end; (end = this.#bytes.indexOf('\n\n')) >= 0; this.#bytes = this.#bytes.subarray(end + 2)) {
        this.#inbox.push(parseReply(this.#bytes.subarray(0, end + 2), this.#service, 'tcp'));
      }
      if (this.#bytes.length > REPLY_BYTES) throw new Malformed(`a reply of more than ${REPLY_BYTES} bytes`);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#inbox.fail(new NoService(error.message));
      this.#socket.destroy();
    }
  }
}

async function connectEcho(options) {
  const link = await Link.open(options);
  return async (message) => {
    link.send(`ECHO ${message}\n`);
    const reply = await link.receive(now() + options.timeout);
    if (reply.status === 'OK' && reply.fields.message !== message) {
      throw new NoService('a reply with another message than was sent');
    }
    return reply;
  };
}

async function time(options) {
  const name = await askName(options);
  const link = await Link.open(options);
  const printer = new TickPrinter(options.ticks);
  link.send(`TIME ${name}\n`);
  let wait = options.timeout;
  for (;;) {
    const reply = await link.receive(now() + wait);
    if (reply.status === 'ERR') return onError(reply.fields);
    if (reply.status === 'OK') {
      state.subscribed = true;
      wait = Math.max(options.timeout, LEASE_INTERVALS * Number(reply.fields.interval) * 1000);
    } else if (!state.subscribed) {
      throw new NoService('a reply with a status that answers nothing asked');
    } else if (printer.onTick(reply.fields)) return 0;
  }
}

const options = clientOptions();
await run(options.service === 'echo' ? () => echo(options, () => connectEcho(options)) : time, options);
