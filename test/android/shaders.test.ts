/**
 * The app's shaders in a real GL: Chromium's WebGL compiles the same texts, with the prelude for ordinary textures in place
 * of the one for a camera's. What they draw is compared with what is computed here, pixel by pixel.
 */
import { readFileSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { programPath, testWith } from "../interop/clients.ts";

const test = testWith("chromium");

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const APP = "android/app/src/main";
const shader = (name: string): string => text(`${APP}/assets/shaders/${name}`);

/** A prelude as the app has it, out of its source. */
function prelude(name: string): string {
  const found = new RegExp(`const val ${name} = "(.*)"`).exec(text(`${APP}/kotlin/dev/porthole/gl/ShaderTexts.kt`));
  if (found === null) throw new Error(`ShaderTexts.kt has no ${name}`);
  return JSON.parse(`"${found[1]}"`);
}

type Pair = readonly [number, number];
type Place = {
  readonly name: string;
  readonly source: Pair;
  readonly output: Pair;
  readonly clockwise: number;
  readonly mirror: boolean;
  readonly rectangle: readonly [number, number, number, number];
  readonly origin: Pair;
  readonly across: Pair;
  readonly down: Pair;
};
const { places } = JSON.parse(text("test/android/picture-places.json")) as { places: Place[] };

/** RGB, three numbers a pixel, the top row first. */
class Picture {
  readonly width: number;
  readonly height: number;
  readonly rgb: number[];

  constructor([width, height]: Pair, at: (x: number, y: number) => readonly number[]) {
    this.width = width;
    this.height = height;
    this.rgb = Array.from({ length: width * height }, (_, index) =>
      at(index % width, Math.floor(index / width)),
    ).flat();
  }

  at(x: number, y: number): number[] {
    const inX = Math.min(Math.max(x, 0), this.width - 1);
    const inY = Math.min(Math.max(y, 0), this.height - 1);
    return this.rgb.slice(3 * (inY * this.width + inX), 3 * (inY * this.width + inX) + 3);
  }

  get size(): Pair {
    return [this.width, this.height];
  }
}

/** Every pixel of another colour; the same ones each time. */
function motley(size: Pair): Picture {
  let seed = 0x2545f491;
  const next = (): number => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return seed & 0xff;
  };
  return new Picture(size, () => [next(), next(), next()]);
}

/** A slope: what scaling between pixels does to it is easy to say. */
const slope = (size: Pair): Picture =>
  new Picture(size, (x, y) => [(255 * x) / (size[0] - 1), (255 * y) / (size[1] - 1), 128].map(Math.round));

function quarterTurn(picture: Picture): Picture {
  const { width, height } = picture;
  // The pixel that comes to lie at (x, y) was in row `height - 1 - x`: the left column is the old bottom row.
  return new Picture([height, width], (x, y) => picture.at(y, height - 1 - x));
}

const mirrored = (picture: Picture): Picture =>
  new Picture(picture.size, (x, y) => picture.at(picture.width - 1 - x, y));

const cut = (picture: Picture, left: number, top: number, size: Pair): Picture =>
  new Picture(size, (x, y) => picture.at(x + left, y + top));

const halved = (picture: Picture): Picture =>
  new Picture([picture.width / 2, picture.height / 2], (x, y) => {
    const four = [picture.at(2 * x, 2 * y), picture.at(2 * x + 1, 2 * y)];
    four.push(picture.at(2 * x, 2 * y + 1), picture.at(2 * x + 1, 2 * y + 1));
    return [0, 1, 2].map((channel) => four.reduce((sum, pixel) => sum + pixel[channel]!, 0) / 4);
  });

/** Linear between the middles of pixels. */
const doubled = (picture: Picture): Picture =>
  new Picture([picture.width * 2, picture.height * 2], (x, y) => {
    const [u, v] = [(x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5];
    const [left, top] = [Math.floor(u), Math.floor(v)];
    const [right, below] = [u - left, v - top];
    return [0, 1, 2].map(
      (channel) =>
        picture.at(left, top)[channel]! * (1 - right) * (1 - below) +
        picture.at(left + 1, top)[channel]! * right * (1 - below) +
        picture.at(left, top + 1)[channel]! * (1 - right) * below +
        picture.at(left + 1, top + 1)[channel]! * right * below,
    );
  });

/** What a place shows of a picture, without any of its numbers but the sizes. */
function expected(place: Place, source: Picture): Picture {
  let picture = source;
  for (let turned = 0; turned < place.clockwise; turned += 90) picture = quarterTurn(picture);
  if (place.mirror) picture = mirrored(picture);
  const [width, height] = place.output;
  if (picture.width === width * 2) picture = halved(picture);
  else if (picture.height === height * 2) picture = halved(picture);
  else if (picture.width * 2 === width && picture.height * 2 === height) picture = doubled(picture);
  if (picture.width >= width && picture.height >= height) {
    return cut(picture, (picture.width - width) / 2, (picture.height - height) / 2, place.output);
  }
  const [left, top] = [(width - picture.width) / 2, (height - picture.height) / 2];
  return new Picture(place.output, (x, y) => {
    const inside = x >= left && x < left + picture.width && y >= top && y < top + picture.height;
    return inside ? picture.at(x - left, y - top) : [0, 0, 0];
  });
}

/** NV21 as YuvImage takes it (JFIF, full range), rows filled up to four bytes with the last pixel. */
function nv21(picture: Picture): number[] {
  const { width, height } = picture;
  const stride = Math.ceil(width / 4) * 4;
  const bytes: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < stride; x++) {
      const [r, g, b] = picture.at(x, y) as [number, number, number];
      bytes.push(0.299 * r + 0.587 * g + 0.114 * b);
    }
  }
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < stride; x += 2) {
      const four = [picture.at(x, y), picture.at(x + 1, y), picture.at(x, y + 1), picture.at(x + 1, y + 1)];
      const [r, g, b] = [0, 1, 2].map((channel) => four.reduce((sum, pixel) => sum + pixel[channel]!, 0) / 4) as [
        number,
        number,
        number,
      ];
      bytes.push(0.5 * r - 0.418688 * g - 0.081312 * b + 128, -0.168736 * r - 0.331264 * g + 0.5 * b + 128);
    }
  }
  return bytes;
}

/** A step of drawing, as the page runs it: a texture (or the step before) through a program into a picture of its own. */
type Step = {
  readonly vertex: string;
  readonly fragment: string;
  readonly sampler: string;
  readonly linear: boolean;
  readonly uniforms: Readonly<Record<string, Pair>>;
  readonly size: Pair;
  /** Left, bottom, width, height. */
  readonly viewport: readonly [number, number, number, number];
  /** Drawn over what the size holds, by a factor of one and what alpha leaves. */
  readonly texture?: { readonly size: Pair; readonly rgba: readonly number[] };
};

let browser: Browser | undefined;
let page: Page;
beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: programPath("chromium"),
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--use-angle=swiftshader",
      "--enable-unsafe-swiftshader",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  page = await browser.newPage();
  await page.setContent("<canvas></canvas>");
});
afterAll(() => browser?.close());

/** Runs the steps one after the other. @returns RGBA of the last one's rows, the bottom row first, as GL reads them. */
function draw(steps: readonly Step[]): Promise<number[]> {
  return page.evaluate<number[]>(`(${DRAW})(${JSON.stringify(steps)})`);
}

const DRAW = `(steps) => {
  const gl = document.createElement("canvas").getContext("webgl", { antialias: false });
  const check = (ok, log) => { if (!ok) throw new Error(log); };
  const texture = (size, rgba, filter) => {
    const made = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, made);
    const data = rgba === null ? null : new Uint8Array(rgba);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, size[0], size[1], 0, gl.RGBA, gl.UNSIGNED_BYTE, data);
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, filter);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    return made;
  };
  const corners = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, corners);
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
  let last = null;
  let size = [0, 0];
  for (const step of steps) {
    const program = gl.createProgram();
    for (const [type, text] of [[gl.VERTEX_SHADER, step.vertex], [gl.FRAGMENT_SHADER, step.fragment]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      check(gl.getShaderParameter(shader, gl.COMPILE_STATUS), gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    check(gl.getProgramParameter(program, gl.LINK_STATUS), gl.getProgramInfoLog(program));
    const filter = step.linear ? gl.LINEAR : gl.NEAREST;
    const source = step.texture ? texture(step.texture.size, step.texture.rgba, filter) : last;
    size = step.size;
    last = texture(size, null, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, last, 0);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.viewport(...step.viewport);
    gl.useProgram(program);
    gl.bindTexture(gl.TEXTURE_2D, source);
    gl.uniform1i(gl.getUniformLocation(program, step.sampler), 0);
    for (const [name, value] of Object.entries(step.uniforms)) {
      const at = gl.getUniformLocation(program, name);
      check(at !== null, "no uniform " + name);
      gl.uniform2f(at, ...value);
    }
    const corner = gl.getAttribLocation(program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
  const pixels = new Uint8Array(4 * size[0] * size[1]);
  gl.readPixels(0, 0, size[0], size[1], gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  check(gl.getError() === gl.NO_ERROR, "GL error");
  return Array.from(pixels);
}`;

const rgbaOf = (picture: Picture): number[] =>
  Array.from({ length: picture.width * picture.height }, (_, at) => [
    ...picture.rgb.slice(3 * at, 3 * at + 3),
    255,
  ]).flat();

/** As PictureProgram sets it: a quarter of an output pixel where the picture is at least halved. */
function tap(way: Pair, source: Pair, pixels: number): Pair {
  const factor = Math.min(Math.max(Math.hypot(way[0] * source[0], way[1] * source[1]) / pixels - 1, 0), 1) / 4 / pixels;
  return [way[0] * factor, way[1] * factor];
}

function pictureStep(place: Place, source: Picture): Step {
  const [left, top, width, height] = place.rectangle;
  return {
    vertex: shader("picture.vert"),
    fragment: prelude("ORDINARY") + shader("picture.frag"),
    sampler: "source",
    linear: true,
    uniforms: {
      origin: place.origin,
      across: place.across,
      down: place.down,
      tapAcross: tap(place.across, place.source, width),
      tapDown: tap(place.down, place.source, height),
    },
    size: place.output,
    viewport: [left, place.output[1] - top - height, width, height],
    texture: { size: source.size, rgba: rgbaOf(source) },
  };
}

function nv21Step(size: Pair, texture?: Step["texture"]): Step {
  const packed: Pair = [Math.ceil(size[0] / 4), size[1] * 1.5];
  return {
    vertex: shader("nv21.vert"),
    fragment: shader("nv21.frag"),
    sampler: "picture",
    linear: false,
    uniforms: { size },
    size: packed,
    viewport: [0, 0, ...packed],
    ...(texture === undefined ? {} : { texture }),
  };
}

/** GL's rows, bottom first, as a picture's. */
const pictureOf = (rgba: readonly number[], size: Pair): Picture =>
  new Picture(size, (x, y) => {
    const at = 4 * ((size[1] - 1 - y) * size[0] + x);
    return rgba.slice(at, at + 3);
  });

/** No byte is off by more than `most`: GL rounds as it likes. */
function expectNear(actual: readonly number[], wanted: readonly number[], most: number): void {
  expect(actual.length).toBe(wanted.length);
  const off = actual.map((value, at) => Math.abs(value - wanted[at]!));
  const worst = off.indexOf(Math.max(...off));
  expect(off[worst], `byte ${worst}: ${actual[worst]} for ${wanted[worst]}`).toBeLessThanOrEqual(most);
}

describe("A picture is drawn", () => {
  for (const place of places) {
    test(`${place.name} (${place.source.join("x")} to ${place.output.join("x")})`, async () => {
      const source = motley(place.source);
      const drawn = pictureOf(await draw([pictureStep(place, source)]), place.output);
      expectNear(drawn.rgb, expected(place, source).rgb, 1);
    });
  }

  test("to a third of its size without leaving pixels out", async () => {
    const size: Pair = [24, 12];
    const place: Place = {
      name: "",
      source: size,
      output: [8, 4],
      clockwise: 0,
      mirror: false,
      rectangle: [0, 0, 8, 4],
      origin: [0, 0],
      across: [1, 0],
      down: [0, 1],
    };
    const drawn = pictureOf(await draw([pictureStep(place, slope(size))]), place.output);
    const wanted = new Picture(place.output, (x, y) => [(255 * (3 * x + 1)) / 23, (255 * (3 * y + 1)) / 11, 128]);
    expectNear(drawn.rgb, wanted.rgb, 1);
  });
});

describe("NV21 is packed, with no row sheared and no colour plane swapped", () => {
  for (const size of [
    [8, 4],
    [16, 8],
    [10, 6],
    [6, 2],
    [1280, 8],
  ] as Pair[]) {
    test(`from ${size.join("x")} pixels`, async () => {
      const picture = motley(size);
      // As a drawn picture lies: its bottom row first.
      const upright = new Picture(size, (x, y) => picture.at(x, size[1] - 1 - y));
      const packed = await draw([nv21Step(size, { size, rgba: rgbaOf(upright) })]);
      expectNear(packed, nv21(picture), 1);
    });
  }

  test("with its extremes: black, white and the primary colours", async () => {
    const colours = [
      [0, 0, 0],
      [255, 255, 255],
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [255, 255, 0],
      [0, 255, 255],
      [255, 0, 255],
    ];
    const size: Pair = [16, 2];
    const picture = new Picture(size, (x) => colours[Math.floor(x / 2)]!);
    const packed = await draw([nv21Step(size, { size, rgba: rgbaOf(picture) })]);
    // Red's V and blue's U would be 255.5.
    expectNear(
      packed,
      nv21(picture).map((value) => Math.min(255, value)),
      1,
    );
  });

  test("from a picture that was drawn before, right side up", async () => {
    const place = places.find(({ name }) => name === "a quarter turn clockwise")!;
    const source = motley(place.source);
    const packed = await draw([pictureStep(place, source), nv21Step(place.output)]);
    expectNear(packed, nv21(expected(place, source)), 2);
  });
});

test("The two preludes are two lines each, and only they differ", () => {
  for (const name of ["EXTERNAL", "ORDINARY"]) expect(prelude(name).split("\n").length - 1).toBe(2);
  expect(shader("picture.frag")).toContain("uniform SOURCE source;");
  expect(shader("picture.frag")).not.toContain("sampler2D");
  expect(prelude("EXTERNAL")).toMatch(
    /^#extension GL_OES_EGL_image_external : require\n#define SOURCE samplerExternalOES\n$/,
  );
});
