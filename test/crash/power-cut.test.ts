/** Power cuts at every flush of a seeded workload. `SEED=123 npm run test:crash` replays one. */
import { describe, expect, it } from 'vitest'
import type { Image } from './store-workload.ts'
import { checkImage, runWorkload } from './store-workload.ts'

const SEEDS = process.env.SEED === undefined ? [1, 2, 3] : [Number(process.env.SEED)]
const CUTS_AT_A_FLUSH = 2

describe.each(SEEDS)('cut at any flush, seed %i,', seed => {
  it('a store keeps what it acknowledged, each queue a prefix, and goes on', async () => {
    const images = new Map<string, Image>()
    const onFlush = (image: () => Image): void => {
      for (let i = 0; i < CUTS_AT_A_FLUSH; i++) {
        const cut = image()
        images.set(cut.disk.digest(), cut)
      }
    }
    await runWorkload({ seed, messages: 60, onFlush })
    const complaints: string[] = []
    let checked = 0
    for (const image of images.values()) {
      const found = await checkImage(image).catch((error: unknown) => [String((error as Error).stack)])
      checked++
      if (found.length > 0) complaints.push(`cut ${checked}, ${image.sent.length} sent: ${found.join('; ')}`)
    }
    console.log(`seed ${seed}: ${checked} different power cuts`)
    expect(complaints).toEqual([])
    expect(checked).toBeGreaterThan(50)
  }, 120_000)
})
