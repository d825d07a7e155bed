// The TCP server: echo or time.
import { createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { now, startTicks, whenDue } from './clock.mjs';
import { fail, formatAddress, openFilesAllowed } from './commandline.mjs';
import {
  BUSY, LINE_BYTES, LineSplitter, echoReply, faultReply, parseLine, subscribedReply, tickReply,
} from './protocol.mjs';
import { options, rename, report, serve } from './server.mjs';

const PIECE = 2048; // characters of replies sent at once: few, so that a slow reader's progress shows (LOAD-4)
const OWN_FILES = 32; // what Node.js opens for itself, and the listener
const LINGER = 1000; // milliseconds for a refused client to read why

if (options['max-clients'] + OWN_FILES > openFilesAllowed()) fail(2, 'wrong usage: --max-clients is more than the open files allowed');

const clients = new Set();
let received = 0;

/** One client's connection. */
class Client {
  #socket;
  #working = false;
  #lastActive = now();
  #stopTicks;

  constructor(socket) {
    this.#socket = socket;
    this.address = formatAddress({ address: socket.remoteAddress, port: socket.remotePort });
    clients.add(this);
    if (options.service === 'echo') report(this, 'connected');
    const cancelIdle = whenDue(() => this.#lastActive + options['idle-timeout'], () => socket.destroy());
    socket.on('close', () => {
      cancelIdle();
      this.#stopTicks?.();
      clients.delete(this);
      if (options.service === 'echo' || this.name !== undefined) report(this, 'left');
    });
    this.#serve().catch((error) => {
      if (!socket.destroyed) throw error; // else the client has gone, with a reset perhaps
    });
  }

  /** Whether all that has come is answered and the transport has taken the answers. */
  get settled() {
    return !this.#working && this.#socket.readableLength === 0 && this.#socket.writableLength === 0;
  }

  async #serve() {
    const lines = new LineSplitter(LINE_BYTES);
    // not destroyed at its end, as replies may still have to leave then; not read while the loop waits (LOAD-5)
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
      received += 1;
      this.#working = true;
      let replies = '';
      for (const line of lines.push(chunk)) {
        this.#lastActive = now();
        replies += this.#answer(line);
        if (replies.length < PIECE) continue;
        await this.#send(replies);
        await nextTurn(); // let the others have theirs
        if (this.#socket.destroyed) return; // nobody waits for the rest
        replies = '';
      }
      if (replies !== '') await this.#send(replies);
      this.#working = false;
    }
    this.#stopTicks?.();
    this.#socket.end();
  }

  #answer(line) {
    let argument;
    try {
      argument = parseLine(line, options.service);
    } catch (fault) {
      return faultReply(fault);
    }
    return options.service === 'echo' ? echoReply(argument, 'tcp') : this.#subscribe(argument);
  }

  #subscribe(name) {
    const ok = subscribedReply(name, options.interval);
    if (this.#stopTicks) {
      rename(this, name);
      return ok;
    }
    this.name = name;
    report(this, 'connected');
    this.#stopTicks = startTicks(options.interval, (seq) => {
      if (this.#socket.writableLength === 0) this.#send(tickReply(this.name, seq)); // TIME-17
    });
    return ok + tickReply(name, 1);
  }

  /** Resolves when the transport has taken the text or the connection is gone. */
  #send(text) {
    return new Promise((resolve) => {
      this.#socket.write(text, (error) => {
        if (!error) this.#lastActive = now();
        resolve();
      });
    });
  }
}

/** Say busy and close, but read on a while: closing with bytes unread resets the connection, and the reply is lost. */
function refuse(socket) {
  socket.end(faultReply(BUSY));
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER);
}

function onConnection(socket) {
  received += 1;
  socket.on('error', () => {}); // 'close' follows
  if (socket.remoteAddress === undefined) socket.destroy(); // reset before it was accepted
  else if (clients.size >= options['max-clients']) refuse(socket);
  else new Client(socket);
}

await serve('tcp', {
  // half-open: the client's shutdown must not shut down the sending of its replies
  listen: (host) => createServer({ allowHalfOpen: true, noDelay: true }, onConnection).listen(options.port, host),
  received: () => received,
  settled: () => [...clients].every((client) => client.settled),
});
