/* Hawker in a page: asks for lists, shows them, tells what was seen and clicked.
   It never throws into the page; what it could not send it sends later, once. */
(() => {
"use strict";
const tag = document.currentScript || {dataset: {}};
const base = (tag.dataset.endpoint || new URL(tag.src || ".", location.href).origin).replace(/\/$/, "");
const IDLE = 30 * 60e3, FRESH = 10e3, MOST = 200, BATCH = 50;
let memory = {}, refused = false, pause = 2e3, timer = 0, sending = false;

function load(name) {
  try { if (!refused) memory[name] = localStorage.getItem("hawker." + name); } catch { refused = true; }
  try { return JSON.parse(memory[name]); } catch { return null; }
}
function save(name, value) {
  memory[name] = JSON.stringify(value);
  try { localStorage.setItem("hawker." + name, memory[name]); } catch { refused = true; }
}
const waiting = () => [].concat(load("queue") || []);
function id() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map(b => (b + 256).toString(16).slice(1)).join("");
}
function session() {
  const at = Date.now(), last = load("session");
  const known = last && at - last.at < IDLE ? last.id : id();
  save("session", {id: known, at});
  return known;
}
async function post(path, content) {
  const headers = {"Content-Type": "application/json"}, body = JSON.stringify(content);
  if (tag.dataset.key) headers.Authorization = "Bearer " + tag.dataset.key;
  /* Browsers keep 64 KiB alive, not more. */
  return fetch(base + path, {method: "POST", headers, body, keepalive: body.length < 2e4});
}

/* Events wait in a queue that outlives the page; what is sent twice counts once. */
function track(type, event) {
  try {
    const told = {...event, event_id: id(), type, session_id: session(), time: new Date().toISOString()};
    save("queue", waiting().concat(told).slice(-MOST));
    if (!timer) timer = setTimeout(flush, pause);
  } catch { /* the page comes first */ }
}
/* Visitors' clocks are wrong: what is sent at once gets the shop's time. */
const wire = event => Date.now() - Date.parse(event.time) < FRESH ? {...event, time: undefined} : event;
async function flush(leaving) {
  clearTimeout(timer);
  timer = 0;
  const batch = waiting().slice(0, BATCH);
  if (sending && !leaving || !batch.length) return;
  sending = true;
  try {
    const answer = await post("/v1/events", {events: batch.map(wire)});
    if (answer.status === 429 || answer.status >= 500) throw 0;
    const done = batch.map(each => each.event_id);
    save("queue", waiting().filter(each => !done.includes(each.event_id)));
    pause = 2e3;
  } catch { pause = Math.min(pause * 2, 60e3); }
  sending = false;
  if (waiting().length && !timer) timer = setTimeout(flush, pause);
}

/* Half of it in view for a second is seen. */
const watch = window.IntersectionObserver && new IntersectionObserver(entries => {
  entries.forEach(({target, intersectionRatio}) => {
    clearTimeout(target.hawkerTimer);
    if (intersectionRatio >= 0.5) target.hawkerTimer = setTimeout(() => {
      watch.unobserve(target);
      document.hidden ? watch.observe(target) : track("exposure", target.hawkerEvent);
    }, 1e3);
  });
}, {threshold: 0.5});

function fill(template, item, format) {
  const node = template.content.firstElementChild.cloneNode(true);
  [node, ...node.querySelectorAll("*")].forEach(part => {
    const {field, link} = part.dataset, value = {id: item.id, ...item.fields}[field];
    if (field) part.textContent = format ? format(field, value, item) : value ?? "";
    if (link) part.href = link.replace("{id}", encodeURIComponent(item.id));
  });
  return node;
}
function show({items, recommendation_id}, {into, template, format, placement = "home"}) {
  const find = what => typeof what === "string" ? document.querySelector(what) : what;
  const make = typeof template === "function" ? template : item => fill(find(template), item, format);
  find(into).replaceChildren(...items.map((item, position) => {
    const node = make(item, position);
    const told = node.hawkerEvent = {item_id: item.id, recommendation_id, properties: {placement, position}};
    node.addEventListener("click", () => { track("click", told); flush(); });
    if (watch) watch.observe(node);
    return node;
  }));
}

/* {placement, items, limit, fields, into, template, format}: the answer, or null. */
async function recommend(options) {
  try {
    const {placement = "home", items = [], limit = 12, fields = ["name", "price"], into} = options || {};
    const response = await post("/v1/recommendations",
      {placement, session_id: session(), item_ids: items, limit, fields});
    if (!response.ok) return null;
    const answer = await response.json();
    try { if (into) show(answer, options); } catch (error) { console.warn(error); }
    return answer;
  } catch { return null; }
}

addEventListener("pagehide", flush);
if (waiting().length) timer = setTimeout(flush, pause);
window.hawker = {recommend, track, flush, session};
})();
