/** Java's String.hashCode, which RocketMQ stores as tag hash and uses for its key index. */

/** h = 31 * h + UTF-16 unit, in 32 bits, signed. */
export function javaHashCode(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}
