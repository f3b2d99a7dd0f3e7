/**
 * The service worker: keeps the shell of the page, so that it opens at once and offline too (where it
 * says that the server does not answer). What is said and written is never kept: `/api` is not
 * touched.
 */
/// <reference lib="webworker" />
export {};

const worker = self as unknown as ServiceWorkerGlobalScope;

// The build puts the paths of the shell here, which are new whenever the page is.
const SHELL = "__SHELL__".split(" ");
const PREFIX = "paddock-shell:";
const CACHE = PREFIX + SHELL.join(" ");

async function keepShell(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL);
  await worker.skipWaiting();
}

async function dropOthers(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** The page as it is now, or as it was where the server cannot be reached. */
async function page(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (problem) {
    const kept = await caches.match("/", { cacheName: CACHE });
    if (kept) return kept;
    throw problem;
  }
}

async function shellFile(request: Request): Promise<Response> {
  return (await caches.match(request, { cacheName: CACHE })) ?? fetch(request);
}

worker.addEventListener("install", (event) => event.waitUntil(keepShell()));
worker.addEventListener("activate", (event) => event.waitUntil(dropOthers()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== worker.location.origin || url.pathname.startsWith("/api/")) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname !== "/" && SHELL.includes(url.pathname)) event.respondWith(shellFile(request));
});
