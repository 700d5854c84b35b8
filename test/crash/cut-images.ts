/** Images of a disk whose power fails while something is flushed. */
import type { SimulatedDisk } from '../../src/testing/testing.ts'

/** Power cuts at every flush (of such paths), before it takes effect and after, until the answer is called: each image once. */
export function cutAtFlushes(disk: SimulatedDisk, cuts: number, part = '/'): () => SimulatedDisk[] {
  const images = new Map<string, SimulatedDisk>()
  let seed = 0
  const stop = disk.onFlush(({ path }) => {
    for (let i = 0; i < cuts && path.includes(part); i++) {
      const image = disk.powerCut(seed++)
      images.set(image.digest(), image)
    }
  })
  return () => {
    stop()
    return [...images.values()]
  }
}
