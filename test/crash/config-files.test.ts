/** Small files that are broken, or legal and wrong: something may come again, nothing is skipped. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { SimulatedDisk } from '../../src/testing/testing.ts'
import { deliveriesOf, skippedIn } from './bad-bytes/deliveries.ts'
import { DIR, ownStore } from './bad-bytes/full-store.ts'

let closed: SimulatedDisk
let golden: Map<string, number>

beforeAll(async () => {
  closed = await ownStore()
  golden = await deliveriesOf(closed.kill())
}, 60_000)

/** Files that something is remembered in, besides the log and what is made from it. */
function smallFiles(): string[] {
  return closed.paths().filter(path => /^\/store\/(config|pocketmq|checkpoint)/.test(path))
}

async function skippedAfter(damage: (disk: SimulatedDisk) => void): Promise<string[]> {
  const disk = closed.kill()
  damage(disk)
  return skippedIn(golden, await deliveriesOf(disk))
}

it('the golden folder owes enough to tell', () => {
  const bodies = [...golden.keys()].join('\n')
  for (const owed of ['parked 3', 'timed 3', 'undecided', 'left 5']) expect(bodies).toContain(owed)
  expect(golden.size).toBeGreaterThan(25)
})

describe('every small file', () => {
  it('may be missing', async () => {
    for (const path of smallFiles()) {
      const bytes = closed.contentOf(path)
      expect([path, await skippedAfter(disk => disk.place(path, bytes.subarray(0, 0)))]).toEqual([path, []])
    }
  }, 60_000)

  it('may be rubbish', async () => {
    for (const path of smallFiles())
      expect([path, await skippedAfter(disk => disk.place(path, Buffer.alloc(300, 0x5b)))]).toEqual([path, []])
  }, 60_000)

  it('may be rubbish together with its version before', async () => {
    for (const path of smallFiles().filter(one => closed.paths().includes(`${one}.bak`))) {
      const skipped = await skippedAfter(disk => {
        disk.place(path, Buffer.from('{'))
        disk.place(`${path}.bak`, Buffer.from('['))
      })
      expect([path, skipped]).toEqual([path, []])
    }
  }, 60_000)
})

describe('config JSON', () => {
  const names = ['topics.json', 'consumerOffset.json', 'delayOffset.json', 'subscriptionGroup.json']
  it.each(names)(
    'a wrong digit in %s, whichever it is, skips nothing',
    async name => {
      const path = `${DIR}/config/${name}`
      const bytes = closed.contentOf(path)
      const complaints: string[] = []
      for (const [at, byte] of bytes.entries()) {
        if (byte < 0x30 || byte > 0x39) continue
        // Each digit one larger and one smaller, and as far off as it gets.
        const digits = new Set(
          [byte + 1, byte - 1, 0x30, 0x39].filter(one => one >= 0x30 && one <= 0x39 && one !== byte),
        )
        for (const digit of digits) {
          const damaged = Buffer.from(bytes)
          damaged[at] = digit
          const skipped = await skippedAfter(disk => disk.place(path, damaged))
          if (skipped.length > 0) complaints.push(`${at} ${String.fromCharCode(digit)}: ${skipped.join()}`)
        }
      }
      expect(complaints).toEqual([])
    },
    120_000,
  )
})
