/** What of folders and small files is there after a power cut at any moment. */
import { describe, expect, it } from 'vitest'
import { readWhole, replaceFile } from '../../src/files/atomic-file.ts'
import type { DiskEvent } from '../../src/testing/testing.ts'
import { SimulatedDisk } from '../../src/testing/testing.ts'

const SEEDS = 40

/** Looks at what `work` leaves if the power fails after any of its steps, in many ways each. */
async function cutEverywhere(
  disk: SimulatedDisk,
  work: () => Promise<void>,
  look: (image: SimulatedDisk, event: DiskEvent) => Promise<void>,
): Promise<number> {
  const images: { image: SimulatedDisk; event: DiskEvent }[] = []
  const seen = new Set<string>()
  const stop = disk.watch(event => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const image = disk.powerCut(seed)
      const digest = image.digest()
      if (seen.has(digest)) continue
      seen.add(digest)
      images.push({ image, event })
    }
  })
  await work()
  stop()
  for (const { image, event } of images) await look(image, event)
  return images.length
}

describe('a small file that is replaced', () => {
  for (const keepBackup of [true, false]) {
    it(`has its former content or the new one after a power cut at any step, keepBackup ${keepBackup}`, async () => {
      const disk = new SimulatedDisk()
      await disk.ensureFolder('/store/temporary', 0o700)
      const path = '/store/config.json'
      const replace = (text: string): Promise<void> => {
        const bytes = Buffer.from(text.repeat(600))
        return replaceFile(disk, { path, bytes, temporaryFolder: '/store/temporary', mode: 0o600, keepBackup })
      }
      await replace('one')
      await replace('two')
      const allowed = new Set(['one'.repeat(600), 'two'.repeat(600), 'three'.repeat(600), 'four'.repeat(600)])
      const found = new Set<string>()
      const images = await cutEverywhere(
        disk,
        async () => {
          await replace('three')
          await replace('four')
        },
        async image => {
          const content = (await readWhole(image, path))?.toString() ?? 'none'
          expect(allowed.has(content), content.slice(0, 20)).toBe(true)
          found.add(content)
          const backup = (await readWhole(image, `${path}.bak`))?.toString() ?? 'none'
          if (backup !== 'none') expect(allowed.has(backup), backup.slice(0, 20)).toBe(true)
        },
      )
      expect(images).toBeGreaterThan(10)
      expect(found.size).toBe(3)
      expect((await readWhole(disk.powerCut(1), path))?.toString()).toBe('four'.repeat(600))
    })
  }
})

describe('a folder', () => {
  it('is there after a power cut once ensureFolder has resolved, with what was made durable in it', async () => {
    const disk = new SimulatedDisk()
    await disk.ensureFolder('/a/b/c', 0o700)
    for (let seed = 0; seed < SEEDS; seed++) {
      expect(await disk.powerCut(seed).stat('/a/b/c')).toMatchObject({ isFolder: true })
    }
  })

  it('that a killed process had begun to make is durable for the next one too', async () => {
    const disk = new SimulatedDisk()
    const killed: SimulatedDisk[] = []
    disk.watch(() => killed.push(disk.kill()))
    await disk.ensureFolder('/a/b/c', 0o700)
    expect(killed.length).toBeGreaterThan(6)
    for (const next of killed) {
      await next.ensureFolder('/a/b/c', 0o700)
      const file = await next.open('/a/b/c/file', 'create', 0o600)
      await file.write(Buffer.from('kept'), 0)
      await file.flush()
      await next.flushFolder('/a/b/c')
      for (let seed = 0; seed < SEEDS; seed++) {
        const image = next.powerCut(seed)
        expect((await readWhole(image, '/a/b/c/file'))?.toString()).toBe('kept')
      }
    }
  })
})
