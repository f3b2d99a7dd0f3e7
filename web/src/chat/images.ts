/** Pictures made small before they are sent: a phone's 12 megapixels are more than any model looks at. */

/** The longest side that is sent. */
const LONGEST = 1568;
const RESIZED = /^image\/(?:jpeg|png|webp|gif|bmp|avif|heic|heif)$/;

/** Width and height of a picture when its longest side is `LONGEST` at most. */
export function fitted(width: number, height: number, longest = LONGEST): [number, number] {
  const scale = Math.min(1, longest / Math.max(width, height, 1));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

export function isImage(file: Blob): boolean {
  return RESIZED.test(file.type);
}

/**
 * `file` as a JPEG or PNG of a sensible size, without what its camera wrote into it (the place, for one). What the
 * browser cannot read is sent as it is: the server says what is wrong with it.
 */
export async function downscaled(file: File): Promise<File> {
  if (!isImage(file)) return file;
  const picture = await createImageBitmap(file).catch(() => undefined);
  if (!picture) return file;
  const [width, height] = fitted(picture.width, picture.height);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")?.drawImage(picture, 0, 0, width, height);
  picture.close();
  const type = file.type === "image/png" || file.type === "image/gif" ? "image/png" : "image/jpeg";
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, type, 0.88));
  if (!blob) return file;
  const name = file.name.replace(/\.\w{1,5}$/, "") + (type === "image/png" ? ".png" : ".jpg");
  return new File([blob], name, { type });
}
