// Keeps all files of the page, so that it opens and reads without a network.

// The build replaces these two.
const VERSION = "VERSION";
/** @type {string[]} */
const FILES = ["FILES"];

const CACHE = `inktex-${VERSION}`;
const scope = /** @type {any} */ (self);
const addresses = new Set(FILES.map((file) => new URL(file, location.href).href));

/** Brings all files into the cache that are not there yet. */
async function complete() {
  const cache = await caches.open(CACHE);
  for (const address of addresses) {
    if (!(await cache.match(address))) await cache.add(new Request(address, { cache: "no-cache" }));
  }
}

scope.addEventListener("install", (/** @type {any} */ event) => {
  // A new version is there as a whole or not at all. At a first visit the page itself loads the large
  // files, through here, so that none of them is sent twice; it says when the rest may come.
  if (scope.registration.active) event.waitUntil(complete());
});

scope.addEventListener("message", (/** @type {any} */ event) => {
  event.waitUntil(complete().then(() => event.source?.postMessage("complete")));
});

scope.addEventListener("activate", (/** @type {any} */ event) => {
  const clean = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith("inktex-") && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await scope.clients.claim();
  };
  event.waitUntil(clean());
});

scope.addEventListener("fetch", (/** @type {any} */ event) => {
  const { method, url } = event.request;
  const address = url.replace(/[?#].*/s, "");
  if (method !== "GET" || !addresses.has(address)) return;
  const answer = async () => {
    const cache = await caches.open(CACHE);
    const kept = await cache.match(address);
    if (kept) return kept;
    const found = await fetch(event.request);
    if (found.ok) event.waitUntil(cache.put(address, found.clone()));
    return found;
  };
  event.respondWith(answer());
});
