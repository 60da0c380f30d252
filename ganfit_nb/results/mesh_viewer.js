// A lit mesh to turn by mouse, touch and keys, in plain WebGL 2. `Viewer` needs a page only; the default export makes
// it the view of a Python MeshCanvas (ganfit_widgets); report.html uses it, too.

const NEAR = 10, FAR = 7000; // mm
const KEY_TURN = Math.PI / 36, ZOOM = 1.08; // by one press of an arrow, by one notch of the wheel
const STEEPEST = 1.5; // rad: straight from above a camera has no "up"
const CLOSEST = 100, FURTHEST = 3500; // mm from the target

// Normals and places in mm; the light is lighting.phong's. What is seen from behind is the inside: dark, and neutral.
const SURFACE = {
  vertex: `#version 300 es
    in vec3 position; in vec3 normal; in vec2 uv; uniform mat4 view; out vec3 place; out vec3 n; out vec2 at;
    void main() { place = position; n = normal; at = uv; gl_Position = view * vec4(position, 1.0); }`,
  fragment: `#version 300 es
    precision highp float; in vec3 place; in vec3 n; in vec2 at; out vec4 colour;
    uniform sampler2D texels; uniform vec3 eye, lamp, lampColour, ambient;
    void main() {
      vec3 toLight = normalize(lamp - place), toEye = normalize(eye - place);
      vec3 up = normalize(gl_FrontFacing ? n : -n), albedo = gl_FrontFacing ? texture(texels, at).rgb : vec3(0.2);
      float nl = dot(up, toLight), rv = 2.0 * nl * dot(up, toEye) - dot(toLight, toEye), diffuse = max(nl, 0.0);
      float gloss = gl_FrontFacing ? 0.08 * pow(max(rv, 0.0), 5.0) * diffuse : 0.0;
      colour = vec4(albedo * (ambient + lampColour * diffuse) + lampColour * gloss, 1.0);
    }`,
};
const MARKS = {
  vertex: `#version 300 es
    in vec3 position; uniform mat4 view; uniform float size;
    void main() { gl_Position = view * vec4(position, 1.0); gl_PointSize = size; }`,
  fragment: `#version 300 es
    precision highp float; uniform vec4 paint; out vec4 colour; void main() { colour = paint; }`,
};

export class Viewer {
  // `turned` is called with the camera whenever the reader has moved it, and with true when the hand lets go.
  constructor(host, turned = () => {}) {
    this.host = host;
    this.turned = turned;
    this.canvas = document.createElement("canvas");
    this.frame = document.createElement("div");
    this.frame.className = "ganfit-canvas";
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "img");
    this.frame.setAttribute("aria-label", "3D view: drag or use the arrow keys to turn it, plus and minus to zoom");
    this.frame.setAttribute("data-lm-suppress-shortcuts", "true"); // else the arrows also choose a notebook's cell
    this.frame.append(this.canvas);
    host.append(this.frame, this.buttons());
    this.state = { camera: [0, 0, 700, 0, 0, 0, 5.14], light: [0, 233, 0, 1, 1, 1, 0, 0, 0], fromEye: true, wires: false };
    this.listen();
    this.start();
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.frame);
  }

  buttons() {
    const row = document.createElement("div");
    row.className = "ganfit-row ganfit-camera";
    const add = (text, title, action) => {
      const button = document.createElement("button");
      button.className = "jupyter-button";
      button.textContent = text;
      button.title = title;
      button.addEventListener("click", action);
      row.append(button);
    };
    add("Front", "From the front", () => this.look(0, 0));
    add("Side", "From the subject's left", () => this.look(Math.PI / 2, 0));
    add("Reset view", "Back to the first view", () => this.move(this.home, true));
    add("Enlarge", "Larger on the page, or as before", () => this.host.closest(".ganfit-mesh")?.classList.toggle("ganfit-large"));
    add("Full screen", "The whole screen; Escape leaves it", () => this.frame.requestFullscreen());
    return row;
  }

  start() {
    const gl = (this.gl = this.canvas.getContext("webgl2", { alpha: false }));
    if (!gl) {
      this.canvas.remove();
      this.frame.textContent =
        "The 3D view needs WebGL 2, which this browser does not offer. Turn on hardware acceleration in its settings, " +
        "or use another browser; everything else works.";
      return;
    }
    this.programs = { surface: program(gl, SURFACE), marks: program(gl, MARKS) };
    this.buffers = Object.fromEntries(["position", "normal", "uv", "faces", "edges", "points"].map((n) => [n, gl.createBuffer()]));
    this.texture = gl.createTexture();
  }

  // The vertices (V·3 floats, mm) and, if they changed, the triangles (F·3 numbers of vertices).
  mesh(vertices, faces = this.faces) {
    this.vertices = vertices;
    if (faces !== this.faces) {
      this.faces = faces;
      this.edges = edgesOf(faces);
      this.fill("faces", faces, true);
      this.fill("edges", this.edges, true);
    }
    this.fill("position", vertices);
    this.fill("normal", normalsOf(vertices, faces));
    this.redraw();
  }

  // Where in the texture each vertex lies (V·2 floats), row 0 being v = 0.
  uv(uv) {
    this.fill("uv", uv);
    this.redraw();
  }

  // RGB bytes, row by row.
  paint(texels, width, height) {
    const gl = this.gl;
    if (!gl) return;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, width, height, 0, gl.RGB, gl.UNSIGNED_BYTE, texels);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.LINEAR);
    for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, wrap, gl.CLAMP_TO_EDGE);
    this.redraw();
  }

  points(places) {
    this.dots = places.length / 3;
    this.fill("points", places);
    this.redraw();
  }

  // camera: p_c; light: p_l, its lamp counted from the eye if `fromEye`; wires: whether the edges are drawn.
  set(changes) {
    Object.assign(this.state, changes);
    this.home ??= this.state.camera;
    this.redraw();
  }

  redraw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.draw();
    });
  }

  close() {
    this.observer.disconnect();
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }

  draw() {
    const gl = this.gl, side = Math.min(this.frame.clientWidth, this.frame.clientHeight);
    if (!gl || !side || !this.faces) return;
    const pixels = Math.round(side * (window.devicePixelRatio || 1));
    // Both: a new canvas is 300 by 150.
    for (const way of ["width", "height"]) if (this.canvas[way] !== pixels) this.canvas[way] = pixels;
    gl.viewport(0, 0, pixels, pixels);
    gl.clearColor(0.914, 0.922, 0.933, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    const { camera, light, fromEye, wires } = this.state, eye = camera.slice(0, 3), view = viewMatrix(camera);
    const surface = this.use("surface", view, { position: 3, normal: 3, uv: 2 });
    const lamp = fromEye ? eye.map((x, k) => x + light[k]) : light.slice(0, 3);
    const uniforms = { eye, lamp, lampColour: light.slice(3, 6), ambient: light.slice(6, 9) };
    for (const [name, value] of Object.entries(uniforms)) gl.uniform3fv(gl.getUniformLocation(surface, name), value);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.enable(gl.POLYGON_OFFSET_FILL); // the surface steps back a little, so that edges and points on it are seen
    gl.polygonOffset(1, 4);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers.faces);
    gl.drawElements(gl.TRIANGLES, this.faces.length, gl.UNSIGNED_INT, 0);
    gl.disable(gl.POLYGON_OFFSET_FILL);
    if (wires) {
      this.marks(view, "position", [0.05, 0.1, 0.2, this.strength(pixels)], 1);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers.edges);
      gl.drawElements(gl.LINES, this.edges.length, gl.UNSIGNED_INT, 0);
      gl.disable(gl.BLEND);
    }
    if (this.dots) {
      this.marks(view, "points", [1, 0.83, 0, 1], 4 * (window.devicePixelRatio || 1));
      gl.drawArrays(gl.POINTS, 0, this.dots);
    }
  }

  marks(view, buffer, paint, size) {
    const marks = this.use("marks", view, {});
    this.attribute(marks, "position", 3, buffer);
    this.gl.uniform4fv(this.gl.getUniformLocation(marks, "paint"), paint);
    this.gl.uniform1f(this.gl.getUniformLocation(marks, "size"), size);
  }

  // Lines closer than a few pixels would merge to grey, so they grow fainter, and the shaded surface shows through.
  strength(pixels) {
    const { camera } = this.state, { vertices, edges } = this;
    let length = 0;
    const every = Math.max(2, 2 * Math.floor(edges.length / 2000));
    let count = 0;
    for (let i = 0; i < edges.length; i += every, count++) length += distance(vertices, 3 * edges[i], 3 * edges[i + 1]);
    const away = Math.hypot(...[0, 1, 2].map((k) => camera[k] - camera[k + 3]));
    const spacing = ((length / count) * camera[6] * pixels) / 2 / away;
    return Math.min(0.75, Math.max(0.12, spacing / 14));
  }

  use(name, view, sizes) {
    const gl = this.gl, chosen = this.programs[name];
    gl.useProgram(chosen);
    gl.uniformMatrix4fv(gl.getUniformLocation(chosen, "view"), false, view);
    for (const [attribute, size] of Object.entries(sizes)) this.attribute(chosen, attribute, size, attribute);
    return chosen;
  }

  attribute(chosen, name, size, buffer) {
    const gl = this.gl, where = gl.getAttribLocation(chosen, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[buffer]);
    gl.enableVertexAttribArray(where);
    gl.vertexAttribPointer(where, size, gl.FLOAT, false, 0, 0);
  }

  fill(name, values, index = false) {
    const gl = this.gl, kind = gl && (index ? gl.ELEMENT_ARRAY_BUFFER : gl.ARRAY_BUFFER);
    if (!gl) return;
    gl.bindBuffer(kind, this.buffers[name]);
    gl.bufferData(kind, values, gl.DYNAMIC_DRAW);
  }

  // --- the reader's hand

  listen() {
    const frame = this.frame, held = new Map();
    frame.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      held.set(event.pointerId, [event.clientX, event.clientY]);
      frame.setPointerCapture(event.pointerId);
      frame.focus({ preventScroll: true });
      event.preventDefault();
    });
    frame.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (!before) return;
      const now = [event.clientX, event.clientY], turn = (2 * Math.PI) / frame.clientHeight;
      if (held.size === 1) this.orbit(-turn * (now[0] - before[0]), turn * (now[1] - before[1]));
      const spread = () => Math.hypot(...[0, 1].map((k) => [...held.values()][0][k] - [...held.values()][1][k]));
      const old = held.size === 2 && spread();
      held.set(event.pointerId, now);
      if (held.size === 2) this.zoom(old / spread());
    });
    const release = (event) => {
      if (held.delete(event.pointerId)) this.turned(this.state.camera, true);
    };
    frame.addEventListener("pointerup", release);
    frame.addEventListener("pointercancel", release);
    frame.addEventListener("wheel", (event) => {
      if (document.activeElement !== frame && document.fullscreenElement !== frame) return; // the page scrolls
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? ZOOM : 1 / ZOOM, true);
    }, { passive: false });
    frame.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const turns = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (turns[event.key]) this.orbit(...turns[event.key].map((x) => x * KEY_TURN), true);
    else if (event.key === "+" || event.key === "=") this.zoom(1 / ZOOM, true);
    else if (event.key === "-") this.zoom(ZOOM, true);
    else if (event.key === "Home") this.move(this.home, true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Yaw to the subject's left, pitch upwards, rad, and the distance in mm.
  get place() {
    const [x, y, z] = [0, 1, 2].map((k) => this.state.camera[k] - this.state.camera[k + 3]), away = Math.hypot(x, y, z);
    return [Math.atan2(x, z), Math.asin(y / away), away];
  }

  look(yaw, pitch, away = this.place[2], done = true) {
    const target = this.state.camera.slice(3, 6), flat = Math.cos(pitch);
    const offset = [Math.sin(yaw) * flat, Math.sin(pitch), Math.cos(yaw) * flat];
    this.move([...target.map((t, k) => t + away * offset[k]), ...this.state.camera.slice(3)], done);
  }

  orbit(yaw, pitch, done = false) {
    const [y, p, away] = this.place;
    this.look(y + yaw, Math.max(-STEEPEST, Math.min(STEEPEST, p + pitch)), away, done);
  }

  zoom(factor, done = false) {
    const [yaw, pitch, away] = this.place;
    this.look(yaw, pitch, Math.max(CLOSEST, Math.min(FURTHEST, away * factor)), done);
  }

  move(camera, done) {
    this.set({ camera });
    this.turned(camera, done);
  }
}

function program(gl, { vertex, fragment }) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(made));
  return made;
}

// camera.project, column by column: x and y by the focal length, depth between NEAR and FAR.
function viewMatrix(camera) {
  const eye = camera.slice(0, 3), forward = unit(camera.slice(3, 6).map((t, k) => t - eye[k]));
  const right = unit([-forward[2], 0, forward[0]]), up = cross(right, forward), f = camera[6];
  const a = (FAR + NEAR) / (FAR - NEAR), b = (-2 * FAR * NEAR) / (FAR - NEAR);
  const rows = [right.map((v) => v * f), up.map((v) => v * f), forward.map((v) => v * a), forward];
  const moved = rows.map((row, k) => -dot(row, eye) + (k === 2 ? b : 0));
  return new Float32Array([0, 1, 2, 3].flatMap((column) => rows.map((row, k) => (column < 3 ? row[column] : moved[k]))));
}

// renderer.vertex_normals; the shader makes them unit vectors.
function normalsOf(vertices, faces) {
  const normals = new Float32Array(vertices.length);
  for (let i = 0; i < faces.length; i += 3) {
    const [a, b, c] = [3 * faces[i], 3 * faces[i + 1], 3 * faces[i + 2]];
    const p = [0, 1, 2].map((k) => vertices[b + k] - vertices[a + k]), q = [0, 1, 2].map((k) => vertices[c + k] - vertices[a + k]);
    const n = cross(p, q);
    for (const corner of [a, b, c]) for (let k = 0; k < 3; k++) normals[corner + k] += n[k];
  }
  return normals;
}

function edgesOf(faces) {
  const seen = new Set(), edges = [], many = 2 ** 26;
  for (let i = 0; i < faces.length; i++) {
    const a = faces[i], b = faces[i % 3 === 2 ? i - 2 : i + 1], edge = Math.min(a, b) * many + Math.max(a, b);
    if (!seen.has(edge)) edges.push(a, b);
    seen.add(edge);
  }
  return new Uint32Array(edges);
}

function distance(v, a, b) {
  return Math.hypot(v[a] - v[b], v[a + 1] - v[b + 1], v[a + 2] - v[b + 2]);
}

function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function unit(v) {
  const length = Math.hypot(...v) || 1;
  return v.map((x) => x / length);
}

// --- the view of a Python MeshCanvas

function array(Kind, bytes) {
  return new Kind(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

function render({ model, el }) {
  const viewer = new Viewer(el, (camera, done) => {
    model.set("camera", camera); // linked views follow at once, the kernel when the hand lets go
    if (done) model.save_changes();
  });
  const shows = {
    faces: () => viewer.mesh(array(Float32Array, model.get("vertices")), array(Uint32Array, model.get("faces"))),
    vertices: () => viewer.mesh(array(Float32Array, model.get("vertices"))),
    uv: () => viewer.uv(array(Float32Array, model.get("uv"))),
    texels: () => viewer.paint(array(Uint8Array, model.get("texels")), ...model.get("texture_size")),
    points: () => viewer.points(array(Float32Array, model.get("points"))),
    home: () => (viewer.home = model.get("home")),
  };
  const looks = { camera: "camera", light: "light", light_from_eye: "fromEye", wireframe: "wires" };
  for (const [name, key] of Object.entries(looks)) shows[name] = () => viewer.set({ [key]: model.get(name) });
  for (const [name, show] of Object.entries(shows)) model.on(`change:${name}`, show);
  for (const name of ["faces", "uv", "texels", "points", "home", ...Object.keys(looks)]) shows[name]();
  return () => {
    for (const [name, show] of Object.entries(shows)) model.off(`change:${name}`, show);
    viewer.close();
  };
}

export default { render };
