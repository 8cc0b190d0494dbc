import { deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Colours that a palette has room for. */
const COLOURS = 256;
/** The most common ones stay as they are: backgrounds differ by little, and letters are of few. */
const KEPT = 96;
/** Bits of a channel that may be lost; with more, somebody might see it, and so does whoever compares. */
const LOST = 4;

/**
 * The same picture with at most 256 colours, which is a third of the size: of screenshots, which have 8 bits a channel
 * and are not interlaced. Where a page has more of them, those that can hardly be told apart become one; where that is not enough, it
 * stays as it is.
 */
export function small(picture: Buffer): Buffer {
  const decoded = decode(picture);
  if (!decoded) return picture;
  const { width, height, pixels } = decoded;
  const found = few(pixels);
  if (!found) return picture;
  const [palette, places] = found;
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = places.get(pixels[y * width + x] ?? 0) ?? 0;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', colours),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** The colours of a palette, and where in it each colour of the picture has its place; nothing when there are too many. */
function few(pixels: Uint32Array): [palette: number[], places: Map<number, number>] | undefined {
  const counts = new Map<number, number>();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  // By count, and among equals by the colour, so that the same picture is always the same file.
  const byCount = [...counts].sort(([a, many], [b, more]) => more - many || a - b).map(([colour]) => colour);
  const kept = byCount.slice(0, KEPT);
  const rest = byCount.slice(KEPT);
  for (let bits = 0; bits <= LOST; bits++) {
    // Colours that are the same without their last bits are one: the most common of them.
    const rough = ((0xff << bits) & 0xff) * 0x010101;
    const palette = [...kept];
    const places = new Map(kept.map((colour, at) => [colour, at]));
    const found = new Map<number, number>();
    for (const colour of rest) {
      const place = found.get(colour & rough) ?? palette.push(colour) - 1;
      found.set(colour & rough, place);
      places.set(colour, place);
    }
    if (palette.length <= COLOURS) return [palette, places];
  }
  return undefined;
}

/** The pixels, each 0xRRGGBB; none of a picture that is small already. */
function decode(picture: Buffer): { width: number; height: number; pixels: Uint32Array } | undefined {
  const data: Buffer[] = [];
  let header = Buffer.alloc(0);
  for (let at = SIGNATURE.length; at < picture.length; ) {
    const length = picture.readUInt32BE(at);
    const kind = picture.toString('latin1', at + 4, at + 8);
    const body = picture.subarray(at + 8, at + 8 + length);
    if (kind === 'IHDR') header = Buffer.from(body);
    if (kind === 'IDAT') data.push(body);
    at += length + 12;
  }
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  // It has a palette already.
  if (header[9] === 3) return undefined;
  const channels = { 2: 3, 6: 4 }[header[9] ?? 0];
  if (header[8] !== 8 || !channels || header[12] !== 0) throw new Error('this is no picture as browsers make them');
  const stride = width * channels;
  const raw = inflateSync(Buffer.concat(data));
  let above = Buffer.alloc(stride);
  const pixels = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    const begin = y * (stride + 1);
    const row = raw.subarray(begin + 1, begin + 1 + stride);
    unfilter(raw[begin] ?? 0, row, above, channels);
    for (let x = 0; x < width; x++) pixels[y * width + x] = row.readUIntBE(x * channels, 3);
    above = row;
  }
  return { width, height, pixels };
}

/** Undoes what PNG does to a row so that it compresses better. */
function unfilter(kind: number, row: Buffer, above: Buffer, step: number): void {
  for (let i = 0; i < row.length; i++) {
    const left = i < step ? 0 : (row[i - step] ?? 0);
    const up = above[i] ?? 0;
    const corner = i < step ? 0 : (above[i - step] ?? 0);
    const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][kind] ?? 0;
    row[i] = (row[i] ?? 0) + guess;
  }
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function chunk(kind: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const named = Buffer.concat([Buffer.from(kind, 'latin1'), body]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc(named));
  return Buffer.concat([length, named, check]);
}

/** The check sum of PNG. `zlib.crc32` is not in every Node that this has to run on. */
function crc(data: Buffer): number {
  let sum = 0xffffffff;
  for (const byte of data) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}
