// SPDX-License-Identifier: MIT
import { whenDue } from './clock.mjs';

/** Replies that have come, for a client that waits for them one at a time. */
export class Inbox {
  #replies = [];
  #failure;
  #wake = () => {};

  push(reply) {
    this.#replies.push(reply);
    this.#wake();
  }

  /** Nothing comes any more: once the replies are taken, `next` throws `failure`. */
  fail(failure) {
    this.#failure ??= failure;
    this.#wake();
  }

  /** The next reply, or undefined if none has come when the moment `due` (as of now()) is reached. */
  async next(due) {
    if (this.#replies.length === 0 && !this.#failure) {
      await new Promise((resolve) => {
        const cancel = whenDue(() => due, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
    }
    if (this.#replies.length === 0 && this.#failure) throw this.#failure;
    return this.#replies.shift();
  }
}
