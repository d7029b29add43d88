// Visits without a network: the service worker keeps all files of the page.

const PATIENCE_MS = 2000; // until the page goes on without it

/**
 * Starts the service worker, if the browser allows one: frames and private windows may not.
 * @returns {Promise<void>} when what is loaded is kept, or will not be
 */
export async function keepFiles() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  const isControlled = new Promise((resolve) => {
    if (workers.controller) resolve(null);
    workers.addEventListener("controllerchange", resolve, { once: true });
    setTimeout(resolve, PATIENCE_MS);
  });
  try {
    await workers.register("service-worker.js");
    await isControlled;
  } catch {
    // The page works without.
  }
}

/**
 * Has the service worker bring what is missing.
 * @param {() => void} done all files are kept
 */
export function keepTheRest(done) {
  const workers = navigator.serviceWorker;
  workers?.addEventListener("message", ({ data }) => data === "complete" && done());
  workers?.controller?.postMessage("complete");
}
