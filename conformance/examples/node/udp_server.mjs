// The UDP server: echo, or time with tokens and leases (section 9).
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { now, startTicks, whenDue } from './clock.mjs';
import { formatAddress } from './commandline.mjs';
import {
  BUSY, LEASE_INTERVALS, TOKEN_CHARACTERS, TOKEN_INTERVALS, TOKEN_SECONDS, datagramLines, echoReply, faultReply, formatReply,
  isRequest, parseDatagram, subscribedReply, tickReply,
} from './protocol.mjs';
import { options, rename, report, serve } from './server.mjs';

const { service, interval } = options;
const lease = LEASE_INTERVALS * interval;
const clients = new Map(); // by address: those heard of, the longest silent first (echo), or the subscribers (time)
let socket;
let received = 0;

// Tokens without memory: a MAC over the address and the number of a slot of time, valid in that slot and the next one.
const secret = randomBytes(32);
const slot = Math.max(TOKEN_INTERVALS * interval, 1000 * TOKEN_SECONDS);
const slotNow = () => Math.floor(now() / slot);
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

/** Take in a client, who stays until the moment `client.until`, which may be put off. */
function join(client) {
  clients.set(client.address, client);
  client.cancel = whenDue(() => client.until, () => leave(client));
  report(client, 'connected');
}

function leave(client) {
  clients.delete(client.address);
  client.cancel();
  client.stopTicks?.();
  report(client, 'left');
}

/** Put off the moment until which a client stays. It becomes the last of `clients`, which stay in that order. */
function extend(client, until) {
  client.until = until;
  clients.delete(client.address);
  clients.set(client.address, client);
}

/** Have those leave whose time is over, though their timers are late. */
function leaveOverdue() {
  for (const client of clients.values()) {
    if (client.until > now()) return;
    leave(client);
  }
}

/** Remember an echo client, only to print when it comes and goes. */
function remember(address) {
  const until = now() + options['idle-timeout'];
  const client = clients.get(address);
  if (client) {
    extend(client, until);
  } else {
    if (clients.size >= options['max-clients']) leave(clients.values().next().value);
    join({ address, until });
  }
}

function onTime(address, name, token, send) {
  if (!isValid(token, address)) {
    send(formatReply('CHALLENGE', { token: tokenOf(address, slotNow()) }));
    return;
  }
  leaveOverdue();
  let client = clients.get(address);
  if (!client && clients.size >= options['max-clients']) throw BUSY;
  send(subscribedReply(name, interval, lease));
  const until = now() + lease;
  if (client) {
    rename(client, name);
    extend(client, until);
  } else {
    client = { address, name, until };
    send(tickReply(name, 1));
    client.stopTicks = startTicks(interval, (seq) => {
      if (now() < client.until) send(tickReply(client.name, seq));
    });
    join(client);
  }
}

function onDatagram(datagram, peer) {
  received += 1;
  const lines = datagramLines(datagram);
  // a forged source port of 0 can't be answered, and send would throw
  if (peer.port === 0 || !isRequest(lines, service)) return;
  const send = (text) => socket.send(text, peer.port, peer.address, () => {}); // what fails is lost, as any datagram
  const address = formatAddress(peer);
  if (service === 'echo' && !options.quiet) remember(address);
  try {
    const { argument, fields } = parseDatagram(lines, service);
    if (service === 'echo') send(echoReply(argument, 'udp'));
    else onTime(address, argument, fields.get('token') ?? '', send);
  } catch (fault) {
    send(faultReply(fault));
  }
}

await serve('udp', {
  listen(address, family) {
    socket = createSocket(family === 6 ? 'udp6' : 'udp4', onDatagram);
    return socket.bind({ address, port: options.port });
  },
  received: () => received,
  settled: () => socket.getSendQueueCount() === 0,
});
