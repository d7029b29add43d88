/**
 * What the worker is asked.
 * @typedef {object} Request
 * @property {number} id
 * @property {[number, number][][]} [strokes]
 * @property {ImageBitmap} [picture]
 * @property {string} alphabet
 * @property {Readonly<Record<number, string>>} locked
 */

/** Asks the worker; an answer that came too late is dropped. */
export class ReaderClient {
  /**
   * @param {Promise<unknown>} started after which the model may be loaded
   * @param {object} handlers
   * @param {() => void} handlers.ready
   * @param {(message: string) => void} handlers.failed the model cannot be loaded
   * @param {(reading: import("inktex").Reading) => void} handlers.read
   * @param {(message: string) => void} handlers.refused there is nothing to read in what was given
   */
  constructor(started, handlers) {
    this.id = 0;
    this.handlers = handlers;
    /** @type {Worker | null} */
    this.worker = null;
    /** @type {Request | null} What was asked before there was a worker. */
    this.waiting = null;
    void started.then(() => this.start());
  }

  start() {
    const { ready, failed, read, refused } = this.handlers;
    this.worker = new Worker("worker.js", { type: "module" });
    this.worker.addEventListener("error", (event) => failed(event.message ?? "the worker stopped"));
    this.worker.addEventListener("message", ({ data }) => {
      if (data.ready) ready();
      else if (data.failed) failed(data.failed);
      else if (data.id !== this.id) return;
      else if (data.reading) read(data.reading);
      else refused(data.error);
    });
    if (this.waiting) this.worker.postMessage(this.waiting);
  }

  /** @param {Omit<Request, "id">} request */
  ask(request) {
    const numbered = { ...request, id: ++this.id };
    if (this.worker) this.worker.postMessage(numbered);
    else this.waiting = numbered;
  }

  /** Drops the answer to the last request. */
  cancel() {
    this.id++;
  }
}
