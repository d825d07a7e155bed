// Monotonic time in milliseconds, and what happens when.

export const now = () => performance.now();

const LONGEST = 2 ** 31 - 1; // setTimeout takes any longer wait for 1 ms

/** Call `action` once `due()` is reached, a moment that may move on meanwhile. Returns the function that cancels. */
export function whenDue(due, action) {
  let timer;
  const arm = () => {
    timer = setTimeout(look, Math.min(Math.ceil(due() - now()), LONGEST));
  };
  const look = () => (due() <= now() ? action() : arm()); // setTimeout may be up to a millisecond early
  arm();
  return () => clearTimeout(timer);
}

/**
 * The schedule of a subscription that starts now (section 8): calls `send(seq)` for each tick but the first and those
 * to skip (TIME-8). Returns the function that stops it.
 */
export function startTicks(interval, send) {
  const start = now();
  let next = 2;
  let cancel;
  const arm = () => {
    cancel = whenDue(() => start + (next - 1) * interval, () => { // from the start, so that nothing drifts
      const seq = Math.max(next, Math.floor((now() - start) / interval) + 1);
      next = seq + 1;
      arm();
      send(seq);
    });
  };
  arm();
  return () => cancel();
}
