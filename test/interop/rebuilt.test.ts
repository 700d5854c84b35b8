/** What RocketMQ derives from a log that PocketMQ wrote is what PocketMQ derived itself. */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Broker, NO_BROKER } from './broker.ts'
import { BROKER_SIZES, differences, fillShop, openShop, readAll, sampleKeys } from './shop.ts'

describe.skipIf(NO_BROKER !== undefined)('derived files', { timeout: 120_000 }, () => {
  it('of RocketMQ, rebuilt from our log: consume queues byte for byte ours, index files with the same answers', async () => {
    const folder = temporaryFolder()
    const [dir, copy] = [join(folder, 'store'), join(folder, 'copy')]
    const store = await openShop(dir)
    const places = await fillShop(store)
    const ours = await readAll(store)
    await store.close()
    cpSync(dir, copy, { recursive: true })
    rmSync(join(copy, 'consumequeue'), { recursive: true })
    rmSync(join(copy, 'index'), { recursive: true })

    const broker = await Broker.open(copy, { ...BROKER_SIZES, commitLogRecoverMaxNum: 1000 })
    expect(differences((await broker.dump()).messages, ours)).toEqual([])
    for (const { topic, key, offsets } of sampleKeys(places))
      expect(await broker.query(topic, key), key).toEqual(offsets)
    await broker.close()

    const [mine, theirs] = [filesOf(join(dir, 'consumequeue')), filesOf(join(copy, 'consumequeue'))]
    expect([...theirs.keys()]).toEqual([...mine.keys()])
    expect(mine.size).toBeGreaterThan(20)
    for (const [path, bytes] of mine) expect(theirs.get(path)?.equals(bytes), path).toBe(true)
  })
})

function filesOf(folder: string): Map<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const paths = entries.map(entry => join(entry.parentPath, entry.name)).sort()
  return new Map(paths.map(path => [relative(folder, path), readFileSync(path)]))
}
