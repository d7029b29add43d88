/**
 * What the worker is asked.
 * @typedef {object} Request
 * @property {number} id
 * @property {[number, number][][]} [strokes]
 * @property {ImageBitmap} [picture]
 * @property {string} alphabet
 */

/** Asks the worker; an answer that came too late is dropped. */
export class ReaderClient {
  /**
   * @param {object} handlers
   * @param {() => void} handlers.ready
   * @param {(message: string) => void} handlers.failed the model cannot be loaded
   * @param {(reading: import("inktex").Reading) => void} handlers.read
   * @param {(message: string) => void} handlers.refused there is nothing to read in what was given
   */
  constructor({ ready, failed, read, refused }) {
    this.id = 0;
    this.worker = new Worker("worker.js", { type: "module" });
    this.worker.addEventListener("error", (event) => failed(event.message ?? "the worker stopped"));
    this.worker.addEventListener("message", ({ data }) => {
      if (data.ready) ready();
      else if (data.failed) failed(data.failed);
      else if (data.id !== this.id) return;
      else if (data.reading) read(data.reading);
      else refused(data.error);
    });
  }

  /** @param {Omit<Request, "id">} request */
  ask(request) {
    this.worker.postMessage({ ...request, id: ++this.id });
  }

  /** Drops the answer to the last request. */
  cancel() {
    this.id++;
  }
}
