// SPDX-License-Identifier: MIT
// Monotonic time in milliseconds, and what happens when.

export const now = () => performance.now();

const LONGEST = 2 ** 31 - 1; // setTimeout takes any longer wait for 1 ms

/** Call `action` once `due()` is reached, a moment that may move on meanwhile. Returns the function that cancels. */
export function whenDue(due, action) {
  let timer;
  const check = () => {
    // setTimeout may fire up to a millisecond early; hence the second look
    const wait = due() - now();
    if (wait <= 0) action();
    else timer = setTimeout(check, Math.min(Math.ceil(wait), LONGEST));
  };
  timer = setTimeout(check, 0);
  return () => clearTimeout(timer);
}

/** The schedule of one subscription (section 8). Calls `send(seq)` for each tick that is not skipped, the first at once. */
export class Ticks {
  #start = now();
  #next = 2;
  #cancel;

  constructor(interval, send) {
    const due = (seq) => this.#start + (seq - 1) * interval; // always from the start: no drift
    const arm = () => {
      this.#cancel = whenDue(() => due(this.#next), () => {
        let seq = Math.floor((now() - this.#start) / interval) + 1;
        if (due(seq) > now()) seq -= 1; // the quotient may have been rounded up
        seq = Math.max(seq, this.#next);
        this.#next = seq + 1;
        arm();
        send(seq);
      });
    };
    arm();
    send(1);
  }

  stop() {
    this.#cancel();
  }
}
