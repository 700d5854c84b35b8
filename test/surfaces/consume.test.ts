import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { pocketmq } from './run-command.ts'

async function produced(count: number): Promise<string> {
  const dir = join(temporaryFolder(), 'store')
  const lines = Array.from({ length: count }, (_, n) =>
    JSON.stringify({ n, kind: n % 3 === 0 ? 'paid' : 'open', who: `w${n % 4}` }),
  )
  const words = ['produce', dir, '--topic', 'orders', '--tag-field', 'kind', '--group-field', 'who']
  expect((await pocketmq(words, { stdin: `${lines.join('\n')}\n` })).exitCode).toBe(0)
  return dir
}

function numbersOf(lines: readonly Record<string, unknown>[]): number[] {
  return lines.map(line => (JSON.parse(line.body as string) as { n: number }).n).sort((a, b) => a - b)
}

const ALL = Array.from({ length: 60 }, (_, n) => n)

describe('consume', () => {
  it('prints every message once, and a second run of the group has nothing left', async () => {
    const dir = await produced(60)
    const words = ['consume', dir, '--group', 'billing', '--topic', 'orders']
    const first = await pocketmq(words)
    expect([first.exitCode, numbersOf(first.lines())]).toEqual([0, ALL])
    expect(first.stderr).toContain('60 messages consumed')
    expect((await pocketmq(words)).stdout).toBe('')
    expect(numbersOf((await pocketmq(['consume', dir, '--group', 'other', '--topic', 'orders'])).lines())).toEqual(ALL)
  })

  it('takes no more than asked for, and goes on there', async () => {
    const dir = await produced(60)
    const words = ['consume', dir, '--group', 'billing', '--topic', 'orders']
    const first = await pocketmq([...words, '--max', '25'])
    const rest = await pocketmq(words)
    expect([first.lines().length, rest.lines().length]).toEqual([25, 35])
    expect(numbersOf([...first.lines(), ...rest.lines()])).toEqual(ALL)
  })

  it('takes only what the expression lets through', async () => {
    const dir = await produced(60)
    const { lines } = await pocketmq([
      'consume',
      dir,
      '--group',
      'billing',
      '--topic',
      'orders',
      '--expression',
      'paid',
    ])
    expect(numbersOf(lines())).toEqual(ALL.filter(n => n % 3 === 0))
  })

  it('keeps the order of each queue when it is asked to', async () => {
    const dir = await produced(60)
    const ran = await pocketmq(['consume', dir, '--group', 'billing', '--topic', 'orders', '--orderly'])
    const { lines } = ran
    expect([ran.exitCode, ran.stderr, numbersOf(lines())]).toEqual([0, expect.stringContaining('60 messages'), ALL])
    const offsets = new Map<unknown, number>()
    for (const { queueId, queueOffset } of lines()) {
      expect(queueOffset as number).toBeGreaterThan(offsets.get(queueId) ?? -1)
      offsets.set(queueId, queueOffset as number)
    }
  })

  it('refuses an expression that the group does not have, and says which it has', async () => {
    const dir = await produced(6)
    const words = ['consume', dir, '--group', 'billing', '--topic', 'orders']
    await pocketmq([...words, '--expression', 'paid'])
    const { exitCode, stderr } = await pocketmq([...words, '--expression', 'open'])
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('POCKETMQ_SUBSCRIPTION_MISMATCH')])
  })

  it('following ends when it is interrupted, having acknowledged what it printed', async () => {
    const dir = await produced(60)
    const stop = new AbortController()
    const words = ['consume', dir, '--group', 'billing', '--topic', 'orders']
    const onStdout = (text: string): void => {
      if (text.split('\n').length > 60) stop.abort()
    }
    const { exitCode, lines } = await pocketmq([...words, '--follow'], { signal: stop.signal, onStdout })
    expect([exitCode, numbersOf(lines())]).toEqual([0, ALL])
    expect((await pocketmq(words)).stdout).toBe('')
  })
})

describe('what groups have done', () => {
  it('is shown by groups and progress, without joining', async () => {
    const dir = await produced(60)
    await pocketmq(['consume', dir, '--group', 'billing', '--topic', 'orders', '--max', '20'])
    const groups = JSON.parse((await pocketmq(['groups', dir, '--json'])).stdout)
    expect(groups).toMatchObject([
      { group: 'billing', lagMessages: 40, subscriptions: [{ topic: 'orders', expression: '*' }] },
    ])
    const progress = await pocketmq(['progress', dir, '--group', 'billing', '--json'])
    expect([progress.exitCode, JSON.parse(progress.stdout).lagMessages]).toEqual([0, 40])
    const bounded = await pocketmq(['progress', dir, '--group', 'billing', '--lag-max', '39'])
    expect([bounded.exitCode, bounded.stdout]).toEqual([1, expect.stringContaining('40 messages behind')])
  })

  it('is undone by reset-offset, and skipped by purge', async () => {
    const dir = await produced(60)
    const words = ['consume', dir, '--group', 'billing', '--topic', 'orders']
    await pocketmq(words)
    const reset = await pocketmq(['reset-offset', dir, '--group', 'billing', '--topic', 'orders', '--to', 'first'])
    expect(reset.exitCode).toBe(0)
    expect((await pocketmq([...words, '--max', '10'])).lines()).toHaveLength(10)
    expect((await pocketmq(['purge', dir, '--topic', 'orders'])).exitCode).toBe(0)
    expect((await pocketmq(words)).stdout).toBe('')
  })
})

describe('topics', () => {
  it('are created, shown, changed and deleted', async () => {
    const dir = join(temporaryFolder(), 'store')
    expect(
      (await pocketmq(['topic', 'create', dir, '--topic', 'audit', '--queues', '3', '--type', 'FIFO'])).exitCode,
    ).toBe(0)
    const shown = async (): Promise<unknown> => JSON.parse((await pocketmq(['topics', dir, '--json'])).stdout)
    expect(await shown()).toMatchObject([{ topic: 'audit', readQueues: 3, type: 'FIFO', messages: 0 }])
    expect((await pocketmq(['topic', 'update', dir, '--topic', 'audit', '--queues', '5', '--force'])).exitCode).toBe(0)
    expect(await shown()).toMatchObject([{ topic: 'audit', readQueues: 5 }])
    expect((await pocketmq(['topic', 'delete', dir, '--topic', 'audit'])).exitCode).toBe(0)
    expect(await shown()).toEqual([])
    const gone = await pocketmq(['topic', 'delete', dir, '--topic', 'audit'])
    expect([gone.exitCode, gone.stderr]).toEqual([3, expect.stringContaining('POCKETMQ_TOPIC_NOT_FOUND')])
  })
})

describe('backup', () => {
  it('has the same messages as the folder it was made from', async () => {
    const dir = await produced(60)
    const to = join(temporaryFolder(), 'copy')
    expect((await pocketmq(['backup', dir, to])).exitCode).toBe(0)
    const messages = async (folder: string): Promise<unknown[]> => (await pocketmq(['dump', folder])).lines()
    expect(await messages(to)).toEqual(await messages(dir))
    expect((await pocketmq(['verify', to])).exitCode).toBe(0)
  })
})

describe('redrive', () => {
  it('sends the dead letters of a group back, once', async () => {
    const dir = await produced(5)
    const mq = await PocketMQ.open(dir, { logger: silentLogger })
    const consumer = await mq.pushConsumer({
      consumerGroup: 'billing',
      subscriptions: { orders: '*' },
      messageListener: () => 'dlq',
    })
    await mq.admin.waitUntilEmpty('billing')
    await consumer.close()
    await mq.close()
    const first = await pocketmq(['redrive', dir, '--group', 'billing', '--json'])
    expect([first.exitCode, JSON.parse(first.stdout)]).toMatchObject([0, { group: 'billing', redriven: 5 }])
    expect(JSON.parse((await pocketmq(['redrive', dir, '--group', 'billing', '--json'])).stdout)).toMatchObject({
      redriven: 0,
    })
    const again = await pocketmq(['consume', dir, '--group', 'billing', '--topic', 'orders'])
    expect(numbersOf(again.lines())).toEqual([0, 1, 2, 3, 4])
  })
})
