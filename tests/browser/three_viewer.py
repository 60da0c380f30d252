"""Exported meshes in three.js, the viewer of most web pages, as a reader of ours would open them."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Route

VERSION = "0.187.0"
KEPT = Path("out") / f"three-{VERSION}"
SITE = "http://three.test/"
PAGE = """<!doctype html><body style="margin:0"><script type="importmap">
{"imports": {"three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { OBJLoader } from "three/addons/loaders/OBJLoader.js";
import { MTLLoader } from "three/addons/loaders/MTLLoader.js";
const { file, eye, target, fov, size } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const loaded = async () => {
  if (file.endsWith(".glb")) return (await new GLTFLoader().loadAsync(file)).scene;
  const materials = await new MTLLoader().loadAsync(file.replace(".obj", ".mtl"));
  return new OBJLoader().setMaterials(materials).loadAsync(file);
};
const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(fov, 1, eye[2] / 100, eye[2] * 10);
scene.background = new THREE.Color(0x808080);
camera.position.set(...eye);
camera.lookAt(...target);
const lamp = new THREE.DirectionalLight(0xffffff, 2);
lamp.position.set(0, eye[2] / 3, eye[2]);
scene.add(new THREE.AmbientLight(0xffffff, 1.4), lamp);
const renderer = new THREE.WebGLRenderer({ antialias: true });
renderer.setSize(size, size);
document.body.append(renderer.domElement);
THREE.DefaultLoadingManager.onLoad = () => setTimeout(() => {
  renderer.render(scene, camera);
  document.title = "drawn";
}, 300);
scene.add(await loaded());
</script>"""


def three_package() -> Path | None:
    """The folder of three.js from the npm registry, fetched once; None where there is no npm."""
    npm = shutil.which("npm")
    if not KEPT.exists() and npm:
        KEPT.parent.mkdir(exist_ok=True)
        named = subprocess.run(
            [npm, "pack", f"three@{VERSION}", "--silent"], cwd=KEPT.parent, check=True, capture_output=True, text=True
        )
        archive = KEPT.parent / named.stdout.strip()
        with tarfile.open(archive) as packed:
            safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11.4 has it
            packed.extractall(KEPT, **safely)
        archive.unlink()
    return KEPT / "package" if KEPT.exists() else None


def seen_in_three(browser: Browser, three: Path, mesh: Path, camera: list[float], size: int) -> np.ndarray:
    """What three.js draws of a mesh file, (size, size, 3) bytes, seen by p_c in the mesh's own unit."""

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(SITE).split("#")[0]
        if not path:
            route.fulfill(body=PAGE, content_type="text/html")
        else:
            route.fulfill(path=three / path.removeprefix("three/") if path.startswith("three/") else mesh.parent / path)

    about = {"file": mesh.name, "eye": camera[:3], "target": camera[3:6], "size": size}
    about["fov"] = float(np.degrees(2 * np.arctan(1 / camera[6])))
    page = browser.new_page(viewport={"width": size, "height": size})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.route(f"{SITE}**", answer)
    page.goto(f"{SITE}#{json.dumps(about)}")
    page.wait_for_function("() => document.title === 'drawn'")
    picture = Image.open(io.BytesIO(page.locator("canvas").screenshot())).convert("RGB")
    page.close()
    assert not complaints, complaints
    return np.asarray(picture).astype(float)
