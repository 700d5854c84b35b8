/** Power fails while a folder is repaired: at every flush, and again while it is repaired anew. The next repair ends what this one began. */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

const MESSAGES = 60
const VICTIMS = [7, 20, 21, 44]

type Damaged = { readonly disk: SimulatedDisk; readonly bodies: ReadonlyMap<string, string> }

function options(fileSystem: SimulatedDisk): StoreOptions {
  const sizes = { commitLogSegmentBytes: 8192, consumeQueueSegmentEntries: 16, indexSlots: 16, indexEntries: 64 }
  return { ...sizes, fileSystem, clock: new ManualClock(), logger: silentLogger, retention: { freeBytesMin: 0 } }
}

/** A log with holes, a damaged queue, index, checkpoint and config file. */
async function damaged(): Promise<Damaged> {
  const disk = new SimulatedDisk({ writeBackChance: 0 })
  const store = await MessageStore.open('/store', options(disk))
  const bodies = new Map<string, string>()
  const places: number[] = []
  for (let i = 0; i < MESSAGES; i++) {
    const [topic, queueId, body] = [`t${i % 2}`, 0, `${i} `.repeat(12)]
    const put = store.put({ topic, queueId, body: Buffer.from(body), properties: { KEYS: `k${i}` } })
    places.push(put.physicalOffset)
    if (!VICTIMS.includes(i)) bodies.set(`${topic}/${put.queueOffset}`, body)
  }
  for (const counter of [1, 2]) {
    const text = `{"dataVersion":{"counter":${counter},"stateVersion":0,"timestamp":1},"topicConfigTable":{}}`
    await store.smallFiles.save('config/topics.json', Buffer.from(text))
  }
  await store.close()
  for (const i of VICTIMS) {
    const at = places[i] as number
    disk.flipBit(`/store/commitlog/${String(at - (at % 8192)).padStart(20, '0')}`, (at % 8192) + 90, 1)
  }
  const find = (name: string): string => disk.paths().find(path => path.startsWith(`/store/${name}`)) as string
  disk.flipBit(find('consumequeue/t1'), 45, 2)
  disk.flipBit(find('index/'), 40 + 16 * 4 + 20 + 3, 1)
  disk.flipBit('/store/config/topics.json', 0, 0)
  disk.flipBit('/store/checkpoint', 5, 4)
  return { disk, bodies }
}

/** Repairs an image and answers what is wrong with what it left. */
async function complaintsAfterRepair(disk: SimulatedDisk, bodies: Damaged['bodies']): Promise<string[]> {
  const { findings } = await MessageStore.repair('/store', options(disk))
  const complaints = findings.map(finding => JSON.stringify(finding))
  if (disk.openFiles > 0) complaints.push(`${disk.openFiles} files stay open`)
  const store = await MessageStore.openReadOnly('/store', options(disk))
  if (store.recovery.damaged.length > 0) complaints.push('the log has holes')
  for (const [name, body] of bodies) {
    const [topic = '', slot = ''] = name.split('/')
    const { messages } = await store.read({ topic, queueId: 0, queueOffset: Number(slot), maxMessages: 1 })
    if (messages[0]?.queueOffset !== Number(slot) || messages[0].body.toString() !== body)
      complaints.push(`${name} is ${messages[0]?.queueOffset} ${messages[0]?.body}`)
  }
  await store.close()
  return complaints
}

it('a repair that is cut off anywhere is ended by the next, and costs nothing more', async () => {
  const { disk: golden, bodies } = await damaged()
  const images = await imagesDuring(golden)
  expect(images.length).toBeGreaterThan(50)
  const complaints: string[] = []
  let cuts = 0
  for (const [i, image] of images.entries()) {
    const again = i % 10 === 0 ? await imagesDuring(image.kill()) : []
    for (const disk of [image, ...again.filter((_, n) => n % 7 === 0)]) {
      cuts++
      for (const complaint of await complaintsAfterRepair(disk, bodies)) complaints.push(`cut ${i}: ${complaint}`)
    }
  }
  console.log(`${cuts} power cuts during a repair`)
  expect(complaints).toEqual([])
}, 120_000)

it('what a repair has mended is on the device when it is over', async () => {
  const { disk } = await damaged()
  await MessageStore.repair('/store', options(disk))
  for (let seed = 0; seed < 20; seed++) {
    const store = await MessageStore.openReadOnly('/store', options(disk.powerCut(seed)))
    const { findings } = await store.verify()
    await store.close()
    expect(findings).toEqual([])
  }
})

it('a second repair finds nothing to do', async () => {
  const { disk } = await damaged()
  await MessageStore.repair('/store', options(disk))
  const { holes, replaced, findings } = await MessageStore.repair('/store', options(disk))
  expect({ holes, replaced, findings }).toEqual({ holes: [], replaced: [], findings: [] })
})

/** What power cuts at every flush of a repair, and a kill at every flush, may leave. */
async function imagesDuring(disk: SimulatedDisk): Promise<SimulatedDisk[]> {
  const images: SimulatedDisk[] = []
  const stop = disk.onFlush(event => {
    if (event.phase === 'before') images.push(disk.powerCut(event.flushes), disk.kill())
  })
  await MessageStore.repair('/store', options(disk))
  stop()
  return images
}
