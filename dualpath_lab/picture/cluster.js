// The animated picture of a cluster. Plain SVG, no libraries: `mount(el)` draws into any element; `render` is what a web page's component
// and a notebook's widget call. A frame is what `frame.py` makes, with the words of `words.py`; colours are CSS variables (`drawing.py`).

const SVG = "http://www.w3.org/2000/svg"
const ARM = 16, HEAD = 26, BAR = 27, TILE = 70, ROW_GAP = 10, SNIC = 32, CNIC = 28, GUTTER = 16
const ONE_ROW = 6 // nodes of a role; more of them stand in two rows, each row's links passing between the nodes of the other
const ROOMY = 100 // px from which a node has room for words
const DASH = 12 // px from dash to dash
const MOVE_MS = 80 // between two places of a dash
const SHADES = 6 // colours --busy-0 to --busy-5

function three(value) {
  if (!value) return "0"
  const rounded = Number(value.toPrecision(3))
  const digits = Math.max(0, 2 - Math.floor(Math.log10(rounded)))
  return rounded.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
const thousands = value => (value < 1000 ? `${value}` : value < 999500 ? `${three(value / 1e3)} k` : `${three(value / 1e6)} M`)
const gbps = bytes => (bytes < 6e6 ? "0" : three((bytes * 8) / 1e9))
const percent = share => `${Math.round(100 * share)} %`
const of = (frame, role) => frame.nodes.filter(node => node.role === role)

function shade(share) {
  const place = share * (SHADES - 1)
  const low = Math.min(Math.floor(place), SHADES - 2)
  return `color-mix(in oklab, var(--busy-${low}) ${(100 * (1 - place + low)).toFixed(1)}%, var(--busy-${low + 1}))`
}

// Where things stand.
function columns(number, left, right) {
  const rows = number > ONE_ROW ? 2 : 1
  const pitch = (right - left) / (rows === 1 ? number : number + 1)
  const wide = rows === 1 ? Math.min(pitch - GUTTER, 170) : 2 * pitch - GUTTER
  const centre = index => left + (rows === 1 ? index + 0.5 : index + 1) * pitch
  return { rows, wide, centre, height: rows * TILE + (rows - 1) * ROW_GAP, most: rows === 1 ? Math.min(26, wide / 4) : 6 }
}

function layout(prefill, decode, width) {
  const roles = { prefill: columns(prefill, ARM + 2, width), decode: columns(decode, ARM + 2, width) }
  const snic = Math.max(roles.prefill.rows, roles.decode.rows) === 1 ? 14 : 6
  const storage = HEAD + 6
  roles.prefill.top = storage + BAR + SNIC
  const network = roles.prefill.top + roles.prefill.height + CNIC
  roles.decode.top = network + BAR + CNIC
  const arm = roles.decode.top + roles.decode.height + SNIC
  const pool = prefill + decode // storage NICs whose bytes a role's nodes share at most
  const cnic = Math.min(snic, (roles.prefill.most * prefill) / pool, (roles.decode.most * decode) / pool)
  return { width, height: arm + BAR, storage, network, arm, roles, snic, cnic }
}

// Drawing: everything is made once, and then only changed.
function make(tag, attributes, parent, text) {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  if (text !== undefined) element.textContent = text
  return parent.appendChild(element)
}
function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}

function restyle(element, styles) {
  const text = JSON.stringify(styles)
  if (styled.get(element) === text) return // an unchanged style would still be worked out anew
  styled.set(element, text)
  Object.assign(element.style, styles)
}
const styled = new WeakMap()

function makeLane(parent, kind, x, from, to) {
  const group = make("g", { class: `lane ${kind}` }, parent)
  const line = part => make("line", { class: part, x1: x, x2: x, y1: from, y2: to }, group)
  const [edge, body, dash] = ["edge", "body", "dash"].map(line)
  const down = Math.sign(to - from)
  const head = make("path", { class: "head", d: `M${x - 5},${to - 8 * down}L${x},${to - 1.5 * down}L${x + 5},${to - 8 * down}Z` }, group)
  return { group, edge, body, dash, head, speed: 0, phase: 0 }
}
function setLane(lane, width, share, colour) {
  const flows = share > 0.002
  const across = Math.max(Math.round(2 * width) / 2, flows ? 1.5 : 1)
  lane.speed = flows ? 8 + 52 * Math.min(share, 1) : 0 // px/s
  lane.group.classList.toggle("idle", !flows)
  lane.group.dataset.share = share
  const dark = share > 0.45
  restyle(lane.edge, { strokeWidth: across + 2 })
  restyle(lane.body, { strokeWidth: across, ...(colour && { stroke: colour }) })
  restyle(lane.dash, { strokeWidth: Math.max(across * 0.45, 1), ...(colour && { stroke: `var(--busy-${dark ? 0 : SHADES - 1})` }) })
  if (colour) restyle(lane.head, { fill: colour, stroke: dark ? "var(--busy-0)" : "" })
}

function makeMeter(parent, label, y, wide, classes) {
  const left = wide >= ROOMY ? 44 : 6
  if (wide >= ROOMY) make("text", { class: "small", x: 7, y: y + 5.5 }, parent, label)
  const length = wide - left - 6
  make("rect", { class: "track", x: left, y, width: length, height: 5, rx: 1.5 }, parent)
  const bars = classes.map(name => make("rect", { class: `bar ${name}`, x: left, y, width: length, height: 5, rx: 1.5 }, parent))
  return (...shares) => {
    let before = 0
    bars.forEach((bar, index) => {
      const [from, across] = [before, shares[index]].map(share => Math.round(200 * share) / 200)
      restyle(bar, { transform: `translateX(${length * from}px) scaleX(${across})`, transformOrigin: `${left}px 0` })
      before += shares[index]
    })
  }
}

function makeNode(lanes, tiles, node, index, place) {
  const role = place.roles[node.role]
  const prefill = node.role === "prefill"
  const x = role.centre(index)
  const top = role.top + (role.rows === 2 && index % 2 ? TILE + ROW_GAP : 0)
  const side = place.snic / 2 + 2.5
  const beside = role.most / 2 + 2
  const [outer, near, far, inner] = prefill
    ? [place.storage + BAR, top, top + TILE, place.network]
    : [place.arm, top + TILE, top, place.network + BAR]
  const group = make("g", { class: `part node ${node.role}`, role: "img", transform: `translate(${x - role.wide / 2},${top})` }, tiles)
  make("rect", { class: "tile", width: role.wide, height: TILE, rx: 5 }, group)
  make("text", { class: "name", x: 6, y: 14 }, group, node.name)
  const roomy = role.wide >= ROOMY
  const [meters, apart, ...figures] = roomy ? [36, 11, 14, 27.5] : [45, 8, 26, 38.5]
  if (roomy) make("text", { class: "small", x: 7, y: 27.5 }, group, "to read")
  const [requests, queue] = figures.map(y => make("text", { class: "figure", x: role.wide - 6, y, "text-anchor": "end" }, group))
  const share = roomy && role.rows === 1 && make("text", { class: "share", x: x + side + 9, y: (outer + near) / 2 + 4 }, lanes)
  return {
    group,
    read: makeLane(lanes, "snic rx", x - side, outer, near),
    written: makeLane(lanes, "snic tx", x + side, near, outer),
    hits: makeLane(lanes, "cnic", x - beside, prefill ? inner : far, prefill ? far : inner),
    handed: makeLane(lanes, "cnic", x + beside, prefill ? far : inner, prefill ? inner : far),
    busy: makeMeter(group, "busy", meters, role.wide, [node.role]),
    buffer: makeMeter(group, "buffer", meters + apart, role.wide, ["buffer"]),
    traffic: makeMeter(group, "CNIC", meters + 2 * apart, role.wide, ["kv", "model"]),
    set(now, frame) {
      setLane(this.read, place.snic * now.read_share, now.read_share, shade(now.read_share))
      setLane(this.written, place.snic * now.written_share, now.written_share, shade(now.written_share))
      const width = bytes => Math.min((place.cnic * bytes) / frame.storage_bytes_per_s, role.most)
      setLane(this.hits, width(now.hits), width(now.hits) / role.most)
      setLane(this.handed, width(now.handed_over), width(now.handed_over) / role.most)
      this.busy(now.busy)
      this.buffer(now.buffer_share)
      this.traffic(now.kv_share, now.model_share)
      write(requests, roomy ? `${now.requests} ${prefill ? "ready" : "decoding"}` : `${now.requests}`)
      write(queue, roomy ? `${thousands(now.read_tokens)} tok` : thousands(now.read_tokens))
      if (share) write(share, percent(now.read_share))
    },
  }
}

function makeBar(svg, shape, ...lines) {
  const group = make("g", { class: "part structure", role: "img" }, svg)
  const right = svg.viewBox.baseVal.width - 9
  make("path", { class: "box", d: shape }, group)
  const rates = lines.flatMap(([name, top, labels]) => {
    const text = (kind, x, what) => make("text", { class: kind, x, y: top + 17.5, "text-anchor": "end" }, group, what)
    make("text", { class: "name", x: ARM + 13, y: top + 17.5 }, group, name)
    text("figure", right, "Gb/s")
    let x = right - 28 // figures have a width of their own, so that nothing moves when they change
    return labels.map(label => {
      const value = text("figure", x, "")
      text("figure", x - 37, label)
      x -= 47 + 5.6 * label.length
      return value
    })
  })
  return { group, set: (...bytes) => rates.forEach((value, index) => write(value, gbps(bytes[index]))) }
}

function build(svg, frame, label, width) {
  const place = layout(of(frame, "prefill").length, of(frame, "decode").length, width)
  const { storage, network, arm, height } = place
  svg.replaceChildren()
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
  svg.style.height = `${height}px`
  const box = width - 150
  make("text", { class: "name", x: 1, y: 16 }, svg, `${label} ${frame.system}`)
  const averaged = make("text", { class: "small", x: box - 8, y: 16, "text-anchor": "end" }, svg)
  const scheduler = makeBar(svg, `M${box},1H${width - 1}V${HEAD - 2}H${box}Z`)
  make("text", { class: "name", x: box + 7, y: 16 }, scheduler.group, "scheduler")
  const waiting = make("text", { class: "figure", x: width - 8, y: 16, "text-anchor": "end" }, scheduler.group)
  const arms = `M1,${storage}H${width - 1}V${storage + BAR}H${ARM}V${arm}H${width - 1}V${height - 1}H1Z`
  const store = makeBar(svg, arms, ["storage", storage, ["path one ▼"]], ["", arm, ["second path ▲", "written ▼"]])
  const band = `M${ARM + 8},${network}H${width - 1}V${network + BAR}H${ARM + 8}Z`
  const net = makeBar(svg, band, [width < 376 ? "network" : "compute network", network, ["hand-over ▼", "second path ▲"]])
  const [lanes, tiles] = [make("g", {}, svg), make("g", {}, svg)]
  const counts = { prefill: 0, decode: 0 }
  const nodes = frame.nodes.map(node => makeNode(lanes, tiles, node, counts[node.role]++, place))
  return {
    parts: [scheduler, store, net, ...nodes].map(part => part.group),
    roomy: Object.values(place.roles).every(role => role.wide >= ROOMY),
    lanes: nodes.flatMap(node => [node.read, node.written, node.hits, node.handed]),
    set(now) {
      write(averaged, now.ended ? "mean of the whole run" : `mean of the last ${now.window_s} s`)
      write(waiting, `${now.scheduler_queue.toLocaleString("en-US")} ${now.scheduler_queue === 1 ? "turn waits" : "turns wait"}`)
      store.set(now.path_one, now.path_two, now.written)
      net.set(now.handed_over, now.hits)
      nodes.forEach((node, index) => node.set(now.nodes[index], now))
      this.parts.forEach((part, index) => part.setAttribute("aria-label", now.words.parts[index]))
      svg.setAttribute("aria-label", now.words.picture)
    },
  }
}

const LEGEND = `<div class="legend">
  <span class="ramp"><i></i>storage NIC (SNIC) 0 to 100 % busy</span><span class="key kv">KV-cache, width: Gb/s</span>
  <span class="key model">model traffic</span><span class="key prefill">prefill</span><span class="key decode">decode</span>
  <span>in a node: turns ready or decoding, tokens to read; bars: GPUs busy, buffer, compute NICs (CNIC)</span></div>`

export function mount(el, label) {
  const root = el.appendChild(document.createElement("div"))
  root.className = "cluster"
  root.innerHTML = `<svg role="group" preserveAspectRatio="xMidYMin meet"></svg><div class="tip" aria-hidden="true"></div>${LEGEND}`
  const [svg, tip, legend] = root.children
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)")
  let frame, drawn, built, playing, pointed, awaited, last, wide

  function show(newFrame, nowPlaying) {
    frame = newFrame
    playing = nowPlaying
    if (!frame?.nodes) return
    const width = Math.max(4 * Math.floor((wide || root.clientWidth || 480) / 4), 300)
    const key = [width, frame.system, ...frame.nodes.map(node => node.name)].join()
    if (key !== built) {
      drawn = build(svg, frame, label, width)
      drawn.parts.forEach((part, index) => part.setAttribute("tabindex", index ? -1 : 0))
      point(null)
      legend.lastElementChild.hidden = drawn.roomy
      built = key
    }
    drawn.set(frame)
    if (pointed) write(tip, pointed.ariaLabel)
    awaited ??= requestAnimationFrame(move)
  }
  function move(now) {
    awaited = undefined
    if (!playing || frame.ended || calm.matches || !root.isConnected) return
    if (!(now - last < MOVE_MS)) {
      const seconds = Math.min(now - last || 0, 100) / 1000
      for (const lane of drawn.lanes.filter(lane => lane.speed)) {
        lane.phase = (lane.phase + lane.speed * seconds) % DASH
        lane.dash.style.strokeDashoffset = -lane.phase
      }
      last = now
    }
    awaited = requestAnimationFrame(move)
  }
  function point(part) {
    pointed = part
    tip.classList.toggle("shown", Boolean(part))
    if (!part) return
    write(tip, part.ariaLabel)
    const at = part.getBoundingClientRect(), around = root.getBoundingClientRect()
    const left = at.left - around.left + at.width / 2 - tip.offsetWidth / 2
    const above = at.top - around.top - tip.offsetHeight - 6
    tip.style.left = `${Math.max(0, Math.min(left, around.width - tip.offsetWidth))}px`
    const below = at.height > 2 * TILE ? HEAD + BAR + 12 : at.bottom - around.top + 6
    tip.style.top = `${above > 0 ? above : below}px`
  }
  const partOf = event => event.target.closest?.(".part")
  svg.onpointerover = event => point(partOf(event))
  svg.onpointerleave = () => point(null)
  svg.addEventListener("focusin", event => point(partOf(event)))
  svg.addEventListener("focusout", () => point(null))
  svg.onkeydown = event => {
    if (event.key === "Escape") point(null)
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    const here = partOf(event)
    const next = drawn.parts.at((drawn.parts.indexOf(here) + step) % drawn.parts.length)
    here.setAttribute("tabindex", -1)
    next.setAttribute("tabindex", 0)
    next.focus()
  }
  const again = () => requestAnimationFrame(() => show(frame, playing))
  const resized = new ResizeObserver(entries => {
    wide = entries.at(-1).contentRect.width // reading it from the root would lay the page out anew
    again()
  })
  resized.observe(root)
  calm.onchange = again
  function stop() {
    resized.disconnect()
    calm.onchange = null
    playing = false
  }
  return { show, stop }
}

// A widget's model has its values behind `get` and tells of each by an event of its own; a component's has them as they are, but for the
// frame, which is JSON.
function render({ model, el }) {
  const widget = typeof model.get === "function"
  const value = name => (widget ? model.get(name) : model[name])
  el.classList.add("dualpath-cluster")
  const picture = mount(el, value("label"))
  const frame = () => (widget ? value("frame") : JSON.parse(value("frame") || "{}"))
  const show = () => picture.show(frame(), value("playing"))
  model.on(widget ? "change:frame change:playing" : ["frame", "playing"], show)
  if (!widget) model.on("remove", picture.stop)
  show()
  return widget ? picture.stop : undefined
}

export default { render }
