#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The TCP server: echo or time.
import { createServer } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Ticks, now, whenDue } from './clock.mjs';
import { display, fail, formatAddress, print, resolve, serverOptions } from './commandline.mjs';
import {
  BUSY, Fault, LINE_BYTES, LineSplitter, UNSENT_BYTES, echoReply, faultReply, formatReply, parseLine, tickReply,
} from './protocol.mjs';
import { stopOnSignal } from './stopping.mjs';

const PIECE = 16384; // bytes handed to the transport at once: small, so that a slow reader's progress shows (LOAD-4)
const TURN = 256; // lines served before the other clients' turn
const CLOSING = 100; // milliseconds for the connections to close when the server stops
const LINGER = 1000; // milliseconds for a refused client to read why

const options = serverOptions();
const { service } = options;
const log = (line) => options.quiet || print(line);
const clients = new Set();
let received = 0;

/** One client's connection. */
class Client {
  #socket;
  #address;
  #lines = new LineSplitter(LINE_BYTES);
  #queue = []; // replies that the transport has not been offered
  #unsent = 0; // bytes of replies that it has not taken
  #sending = false;
  #progress = () => {}; // called when it took some, and when the connection is gone
  #working = false;
  #lastActive = now();
  #name; // of a subscriber
  #ticks;

  constructor(socket) {
    this.#socket = socket;
    this.#address = formatAddress(socket.remoteAddress, socket.remotePort);
    clients.add(this);
    if (service === 'echo') log(`client ${this.#address} connected`);
    const cancelIdle = whenDue(() => this.#lastActive + options['idle-timeout'], () => socket.destroy());
    socket.on('close', () => {
      cancelIdle();
      this.#ticks?.stop();
      this.#progress();
      clients.delete(this);
      if (service === 'echo') log(`client ${this.#address} left`);
      else if (this.#name !== undefined) log(`client ${display(this.#name)} (${this.#address}) left`);
    });
    this.#serve().catch(() => socket.destroy()); // it left with a reset, say
  }

  /** Whether nothing of what has come remains to be done. */
  get settled() {
    return !this.#working && this.#socket.readableLength === 0 && this.#unsent === 0;
  }

  close() {
    this.#ticks?.stop();
    return new Promise((closed) => {
      this.#socket.once('close', closed);
      if (this.settled) this.#socket.end(() => this.#socket.destroy());
      else this.#socket.destroy();
    });
  }

  async #serve() {
    let served = 0;
    // not destroyed at its end, as replies may still have to leave then. While this loop waits, nothing is read (LOAD-5).
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
      this.#working = true;
      received += 1;
      for (const line of this.#lines.push(chunk)) {
        this.#lastActive = now();
        this.#answer(line);
        served += 1;
        if (served % TURN === 0) await nextTurn();
        await this.#until(UNSENT_BYTES);
      }
      this.#working = false;
    }
    this.#ticks?.stop();
    await this.#until(0);
    this.#socket.end();
  }

  #answer(line) {
    try {
      const argument = parseLine(line, service);
      if (service === 'echo') this.#send(echoReply(argument, 'tcp'));
      else this.#subscribe(argument);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.#send(faultReply(fault));
    }
  }

  #subscribe(name) {
    this.#send(formatReply('OK', { name, interval: String(options.interval / 1000) }));
    const old = this.#name;
    this.#name = name;
    if (old === undefined) {
      log(`client ${display(name)} (${this.#address}) connected`);
      this.#ticks = new Ticks(options.interval, (seq) => {
        // TIME-17; but the first belongs to the OK (TIME-5)
        if (seq === 1 || this.#unsent === 0) this.#send(tickReply(this.#name, seq));
      });
    } else if (old !== name) {
      log(`client ${display(old)} (${this.#address}) is now ${display(name)}`);
    }
  }

  #send(text) {
    const bytes = Buffer.from(text);
    this.#queue.push(bytes);
    this.#unsent += bytes.length;
    if (!this.#sending) this.#sendPiece();
  }

  #sendPiece() {
    let count = 0;
    let size = 0;
    while (count < this.#queue.length && (count === 0 || size + this.#queue[count].length <= PIECE)) {
      size += this.#queue[count].length;
      count += 1;
    }
    this.#sending = true;
    this.#socket.write(Buffer.concat(this.#queue.splice(0, count)), (error) => {
      if (error) return;
      this.#sending = false;
      this.#unsent -= size;
      this.#lastActive = now();
      this.#progress();
      if (this.#queue.length > 0) this.#sendPiece();
    });
  }

  async #until(unsent) {
    while (this.#unsent > unsent && !this.#socket.destroyed) {
      await new Promise((progress) => { this.#progress = progress; });
    }
  }
}

/** Say busy and close, but read on a while: closing with bytes unread would reset the connection and take the reply with it. */
function refuse(socket) {
  socket.end(faultReply(BUSY));
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.on('close', () => clearTimeout(timer));
}

function onConnection(socket) {
  received += 1;
  socket.on('error', () => {}); // 'close' follows
  if (socket.remoteAddress === undefined) socket.destroy(); // reset before it was accepted
  else if (clients.size >= options['max-clients']) refuse(socket);
  else new Client(socket);
}

// half-open: the client's shutdown must not shut down the sending of its replies
const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
try {
  const [{ address }] = await resolve(options.host);
  await new Promise((done, failed) => {
    server.once('error', failed);
    server.listen({ port: options.port, host: address }, done);
  });
} catch (error) {
  fail(1, `cannot listen: ${error.message}`);
}
server.removeAllListeners('error');
server.on('error', () => {});
stopOnSignal({
  activity: () => received,
  settled: () => [...clients].every((client) => client.settled),
  close: () => Promise.race([Promise.all([...clients].map((client) => client.close())), sleep(CLOSING)]),
});
print(`waiting for clients on ${service}+tcp://${formatAddress(server.address().address, server.address().port)}`);
