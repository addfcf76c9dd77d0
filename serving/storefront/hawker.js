/* Hawker in a page: asks for lists, shows them, tells what was seen and clicked.
   It never throws into the page; what it could not send it sends later, once. */
(() => {
  "use strict";
  const tag = document.currentScript || {dataset: {}};
  const base = (tag.dataset.endpoint || new URL(tag.src || ".", location.href).origin).replace(/\/$/, "");
  const IDLE = 30 * 60e3, MOST_WAITING = 200, AT_ONCE = 50;
  let memory = {}, pause = 2e3, timer = 0, sending = false;

  function load(name) {
    try { return JSON.parse(localStorage.getItem("hawker." + name)) || memory[name]; }
    catch { return memory[name]; }
  }
  function save(name, value) {
    memory[name] = value;
    try { localStorage.setItem("hawker." + name, JSON.stringify(value)); } catch { /* memory will do */ }
  }
  const waiting = () => load("queue") || [];
  function id() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, b => (b + 256).toString(16).slice(1)).join("");
  }
  function session() {
    let known = load("session"), now = Date.now();
    if (!known || now - known.at > IDLE) known = {id: id()};
    known.at = now;
    save("session", known);
    return known.id;
  }
  function post(path, body) {
    const headers = {"Content-Type": "application/json"};
    if (tag.dataset.key) headers.Authorization = "Bearer " + tag.dataset.key;
    return fetch(base + path, {method: "POST", headers, body: JSON.stringify(body), keepalive: true});
  }

  /* Events wait in a queue that outlives the page; an event that is sent twice counts once. */
  function track(type, event) {
    try {
      const told = Object.assign({}, event, {
        event_id: id(), type, session_id: session(), time: new Date().toISOString()
      });
      save("queue", waiting().concat(told).slice(-MOST_WAITING));
      if (!timer) timer = setTimeout(flush, pause);
    } catch { /* the page comes first */ }
  }
  function flush() {
    clearTimeout(timer);
    timer = 0;
    const batch = waiting().slice(0, AT_ONCE);
    if (sending || !batch.length) return Promise.resolve();
    sending = true;
    return post("/v1/events", {events: batch}).then(answer => {
      if (answer.status === 429 || answer.status >= 500) throw answer;
      const done = batch.map(each => each.event_id);
      save("queue", waiting().filter(each => done.indexOf(each.event_id) < 0));
      pause = 2e3;
    }).catch(() => { pause = Math.min(pause * 2, 60e3); }).then(() => {
      sending = false;
      if (waiting().length && !timer) timer = setTimeout(flush, pause);
    });
  }

  /* Half of it in view for a second is seen. */
  const watch = window.IntersectionObserver && new IntersectionObserver(entries => {
    entries.forEach(entry => {
      const node = entry.target;
      clearTimeout(node.hawkerTimer);
      if (entry.isIntersecting) node.hawkerTimer = setTimeout(() => {
        watch.unobserve(node);
        track("exposure", node.hawkerEvent);
      }, 1e3);
    });
  }, {threshold: 0.5});

  function fill(node, item, format) {
    node.querySelectorAll("[data-field]").forEach(part => {
      const name = part.dataset.field, value = name === "id" ? item.id : item.fields[name];
      part.textContent = format ? format(name, value, item) : value == null ? "" : value;
    });
    node.querySelectorAll("[data-link]").forEach(part => {
      part.href = part.dataset.link.replace("{id}", encodeURIComponent(item.id));
    });
  }
  function show(answer, options) {
    const find = what => typeof what === "string" ? document.querySelector(what) : what;
    const into = find(options.into), template = find(options.template);
    into.textContent = "";
    answer.items.forEach((item, place) => {
      const node = template.content.firstElementChild.cloneNode(true);
      fill(node, item, options.format);
      node.hawkerEvent = {
        item_id: item.id, recommendation_id: answer.recommendation_id,
        properties: {placement: options.placement || "home", position: place}
      };
      node.addEventListener("click", () => { track("click", node.hawkerEvent); flush(); });
      into.appendChild(node);
      if (watch) watch.observe(node);
    });
  }

  /* {placement, items, limit, fields, into, template, format}: the answer, or null when there is none. */
  function recommend(options) {
    options = options || {};
    return Promise.resolve().then(() => {
      return post("/v1/recommendations", {
        placement: options.placement || "home", session_id: session(), item_ids: options.items || [],
        limit: options.limit || 12, fields: options.fields || ["name", "price"]
      });
    }).then(answer => answer.ok ? answer.json() : null).then(answer => {
      if (answer && options.into) show(answer, options);
      return answer;
    }).catch(() => null);
  }

  addEventListener("pagehide", flush);
  if (waiting().length) timer = setTimeout(flush, pause);
  window.hawker = {recommend, track, flush, session};
})();
