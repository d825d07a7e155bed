#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The UDP client: echo, or time with tokens and leases.
import { createSocket } from 'node:dgram';
import { now } from './clock.mjs';
import { clientOptions, complain, formatAddress, print, resolve } from './commandline.mjs';
import { Inbox } from './inbox.mjs';
import { LEASE_INTERVALS, Malformed, parseReply } from './protocol.mjs';
import { NoService, TickPrinter, askName, echo, onError, run, state } from './session.mjs';

const RESEND = [1000, 2000, 4000]; // milliseconds after the last sending

/** A socket connected to the server. */
class Link {
  #inbox = new Inbox();
  #service;
  #socket;
  #proved = false;

  static async open({ service, host, port }) {
    const link = new Link();
    link.#service = service;
    try {
      const [{ address, family }] = await resolve(host);
      link.#socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
      await new Promise((done, failed) => link.#socket.connect(port, address, (error) => (error ? failed(error) : done())));
    } catch (error) {
      throw new NoService(`no server: ${error.message}`);
    }
    link.#socket.on('message', (datagram, peer) => link.#onDatagram(datagram, peer));
    link.#socket.on('error', (error) => link.#onError(error));
    return link;
  }

  send(text) {
    this.#socket.send(text, (error) => error && this.#onError(error));
  }

  /** The next well-formed reply, or undefined if none has come at the moment `due`. */
  receive(due) {
    return this.#inbox.next(due);
  }

  /** A valid reply has come: say so the first time. */
  prove() {
    if (this.#proved) return;
    this.#proved = true;
    const { address, port } = this.#socket.remoteAddress();
    print(`connected to ${this.#service}+udp://${formatAddress(address, port)}`);
  }

  #onDatagram(datagram, peer) {
    // the kernel drops other peers' datagrams, but not between bind and connect
    const { address, port } = this.#socket.remoteAddress();
    if (peer.address !== address || peer.port !== port) return;
    try {
      this.#inbox.push(parseReply(datagram, this.#service, 'udp'));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      complain(error.message);
    }
  }

  #onError(error) {
    // a port that is unreachable, say; a server that has been there may be restarting
    if (!this.#proved) this.#inbox.fail(new NoService(`no server: ${error.message}`));
  }
}

async function connectEcho(options) {
  const link = await Link.open(options);
  return async (message) => {
    const giveUp = now() + options.timeout;
    const waits = [...RESEND, Infinity];
    for (;;) {
      link.send(`ECHO ${message}\n`);
      const resend = now() + waits.shift();
      while (now() < Math.min(resend, giveUp)) {
        const reply = await link.receive(Math.min(resend, giveUp));
        if (reply?.status === 'ERR' || reply?.fields.message === message) {
          link.prove();
          return reply;
        }
      }
      if (now() >= giveUp) throw new NoService('no answer');
    }
  };
}

async function time(options) {
  const name = await askName(options);
  const link = await Link.open(options);
  const printer = new TickPrinter(options.ticks);
  let token;
  let tries; // sendings of the present request
  let resendAt;
  let renewAt = Infinity;
  let interval; // milliseconds, once subscribed
  let mayAnswer; // a CHALLENGE, at once (CLI-17)
  let giveUpAt = now() + options.timeout;

  const send = () => {
    link.send(`TIME ${name}\n${token === undefined ? '' : `token: ${token}\n`}`);
    resendAt = now() + RESEND[Math.min(tries, RESEND.length - 1)];
    tries += 1;
  };
  const sendNew = () => {
    tries = 0;
    send();
  };
  const stayAlive = () => {
    if (state.subscribed) giveUpAt = now() + Math.max(options.timeout, LEASE_INTERVALS * interval);
  };

  sendNew();
  mayAnswer = true;
  for (;;) {
    const reply = await link.receive(Math.min(resendAt, renewAt, giveUpAt));
    if (reply) link.prove();
    switch (reply?.status) {
      case 'ERR':
        return onError(reply.fields);
      case 'CHALLENGE':
        token = reply.fields.token;
        printer.onChallenge();
        if (mayAnswer) sendNew();
        mayAnswer = false;
        break;
      case 'OK':
        interval = Number(reply.fields.interval) * 1000;
        state.subscribed = true;
        resendAt = Infinity;
        renewAt = Math.min(renewAt, now() + interval);
        printer.onOk();
        stayAlive();
        break;
      case 'TICK':
        stayAlive();
        if (printer.onTick(reply.fields)) return 0;
    }
    if (now() >= giveUpAt) throw new NoService('no answer');
    if (now() >= renewAt) {
      renewAt = now() + interval;
      sendNew();
      mayAnswer = true;
    } else if (now() >= resendAt) {
      send();
      mayAnswer = true;
    }
  }
}

const options = clientOptions();
await run(options.service === 'echo' ? () => echo(options, () => connectEcho(options)) : time, options);
