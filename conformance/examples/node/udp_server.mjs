#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The UDP server: echo, or time with tokens and leases (section 9).
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { Ticks, now, whenDue } from './clock.mjs';
import { display, fail, formatAddress, print, resolve, serverOptions } from './commandline.mjs';
import {
  BUSY, Fault, LEASE_INTERVALS, TOKEN_CHARACTERS, TOKEN_INTERVALS, echoReply, faultReply, formatReply, isRequest,
  parseDatagram, tickReply,
} from './protocol.mjs';
import { stopOnSignal } from './stopping.mjs';

const options = serverOptions();
const { service, interval } = options;
const lease = LEASE_INTERVALS * interval;
const seconds = (milliseconds) => String(milliseconds / 1000); // exact and without exponent from 0.01 to 259200
const log = (line) => options.quiet || print(line);

// Tokens without memory: a MAC over the address and the number of a slot of time. Valid are this slot's and the one's before.
const secret = randomBytes(32);
const slotNow = () => Math.floor(now() / (TOKEN_INTERVALS * interval));
const tokenOf = (address, slot) =>
  createHmac('sha256', secret).update(`${address} ${slot}`).digest('base64url').slice(0, TOKEN_CHARACTERS);

function isValid(token, address) {
  const slot = slotNow();
  const given = Buffer.from(token);
  return [slot, slot - 1].some((candidate) => {
    const good = Buffer.from(tokenOf(address, candidate));
    return given.length === good.length && timingSafeEqual(given, good);
  });
}

let received = 0;
let socket;

function sendTo(peer, text) {
  socket.send(text, peer.port, peer.address, () => {}); // what cannot be sent is lost, as any datagram may be
}

// Echo: addresses heard of, by their last request; a Map keeps the longest silent one first.
const heard = new Map();
let watching = false;

function forget(address) {
  heard.delete(address);
  log(`client ${address} left`);
}

function remember(address) {
  if (!heard.delete(address)) {
    if (heard.size >= options['max-clients']) forget(heard.keys().next().value);
    log(`client ${address} connected`);
  }
  heard.set(address, now());
  if (!watching) watchSilent();
}

function watchSilent() {
  watching = heard.size > 0;
  if (!watching) return;
  whenDue(() => heard.values().next().value + options['idle-timeout'], () => {
    forget(heard.keys().next().value);
    watchSilent();
  });
}

// Time: subscriptions by address.
const subscriptions = new Map();

function unsubscribe(address) {
  const subscription = subscriptions.get(address);
  subscription.ticks.stop();
  subscription.cancelExpiry();
  subscriptions.delete(address);
  log(`client ${display(subscription.name)} (${address}) left`);
}

function onTime(peer, address, name, token) {
  if (!isValid(token, address)) {
    sendTo(peer, formatReply('CHALLENGE', { token: tokenOf(address, slotNow()) }));
    return;
  }
  // the timer may be a moment late
  if (subscriptions.has(address) && subscriptions.get(address).expires <= now()) unsubscribe(address);
  const known = subscriptions.get(address);
  if (!known && subscriptions.size >= options['max-clients']) throw BUSY;
  sendTo(peer, formatReply('OK', { name, interval: seconds(interval), lease: seconds(lease) }));
  const expires = now() + lease;
  if (known) {
    if (known.name !== name) log(`client ${display(known.name)} (${address}) is now ${display(name)}`);
    Object.assign(known, { name, expires });
    return;
  }
  const subscription = { name, expires };
  subscriptions.set(address, subscription);
  log(`client ${display(name)} (${address}) connected`);
  subscription.cancelExpiry = whenDue(() => subscription.expires, () => unsubscribe(address));
  subscription.ticks = new Ticks(interval, (seq) => {
    if (now() < subscription.expires) sendTo(peer, tickReply(subscription.name, seq));
  });
}

function onDatagram(datagram, peer) {
  received += 1;
  // a forged source port of 0 cannot be answered, and send would throw
  if (peer.port === 0 || !isRequest(datagram, service)) return;
  const address = formatAddress(peer.address, peer.port);
  if (service === 'echo' && !options.quiet) remember(address);
  try {
    const { argument, fields } = parseDatagram(datagram, service);
    if (service === 'echo') sendTo(peer, echoReply(argument, 'udp'));
    else onTime(peer, address, argument, fields.get('token') ?? '');
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    sendTo(peer, faultReply(fault));
  }
}

try {
  const [{ address, family }] = await resolve(options.host);
  socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
  await new Promise((done, failed) => {
    socket.once('error', failed);
    socket.bind({ port: options.port, address, exclusive: true }, done);
  });
} catch (error) {
  fail(1, `cannot listen: ${error.message}`);
}
socket.removeAllListeners('error');
socket.on('error', () => {}); // reports of datagrams that did not arrive
socket.on('message', onDatagram);
stopOnSignal({
  activity: () => received,
  settled: () => socket.getSendQueueCount() === 0,
  close: () => subscriptions.forEach(({ ticks }) => ticks.stop()),
});
print(`waiting for clients on ${service}+udp://${formatAddress(socket.address().address, socket.address().port)}`);
