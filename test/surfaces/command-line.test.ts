import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/surfaces/cli/commands.ts'
import { REPOSITORY } from '../house/sources.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { pocketmq } from './run-command.ts'

describe('the command line', () => {
  it('has every command of its contract, each with help and --json', async () => {
    const names = COMMANDS.map(({ usage }) =>
      usage
        .split(' ')
        .filter(word => /^[a-z]/.test(word))
        .join(' '),
    )
    expect(names).toEqual([
      'demo',
      'produce',
      'consume',
      'dump',
      'topics',
      'groups',
      'progress',
      'stats',
      'query',
      'peek',
      'verify',
      'repair',
      'reset-offset',
      'redrive',
      'purge',
      'topic create',
      'topic update',
      'topic delete',
      'backup',
      'broker-conf',
      'bench',
    ])
    for (const name of names) {
      const { exitCode, stdout } = await pocketmq([...name.split(' '), '--help'])
      expect([exitCode, stdout.includes('--json')], name).toEqual([0, true])
    }
  })

  it('shows its help and its mistakes with the exit code of wrong usage', async () => {
    const wrong = [
      ['no-such-command'],
      ['dump'],
      ['dump', 'dir', 'another'],
      ['dump', 'dir', '--queue', 'x'],
      ['dump', 'dir', '--max', '-1'],
      ['dump', 'dir', '--no-such-option'],
      ['peek', 'dir', '--topic', 't', '--queue', '0'],
      ['produce', 'dir'],
      ['produce', 'dir', '--topic', 't', '--durability', 'safe'],
      ['query', 'dir', '--key', 'k'],
      ['query', 'dir'],
      ['query', 'dir', '--id', 'x', '--topic', 't', '--key', 'k'],
      ['reset-offset', 'dir', '--group', 'g', '--topic', 't', '--to', 'yesterday'],
      ['topic', 'create', 'dir', '--topic', 't', '--type', 'SOME'],
      ['topic'],
      [],
    ]
    for (const words of wrong) {
      const { exitCode, stdout, stderr } = await pocketmq(words)
      expect([exitCode, stdout, stderr !== ''], words.join(' ')).toEqual([2, '', true])
    }
  })

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'))
    expect(await pocketmq(['--version'])).toMatchObject({ exitCode: 0, stdout: `${version}\n` })
  })

  it('says code and hint on stderr, in JSON where that was asked for, and nothing on stdout', async () => {
    const dir = join(temporaryFolder(), 'nowhere')
    for (const command of ['dump', 'stats', 'verify', 'broker-conf', 'topics', 'groups']) {
      const plain = await pocketmq([command, dir])
      expect([plain.exitCode, plain.stdout], command).toEqual([3, ''])
      expect(plain.stderr).toMatch(/POCKETMQ_STORE_NOT_FOUND.*\n {2}hint: /)
      const json = await pocketmq([command, dir, '--json'])
      expect([json.exitCode, json.stdout], command).toEqual([3, ''])
      expect(JSON.parse(json.stderr).error).toMatchObject({
        code: 'POCKETMQ_STORE_NOT_FOUND',
        hint: expect.any(String),
      })
    }
  })

  it('refuses a folder that is no store', async () => {
    const dir = temporaryFolder()
    mkdirSync(join(dir, 'commitlog'))
    writeFileSync(join(dir, 'commitlog', '00000000000000000000'), 'this is a text, and a rather long one for a record')
    const { exitCode, stderr } = await pocketmq(['dump', dir])
    expect([exitCode, stderr.includes('hint: ')]).toEqual([3, true])
  })
})

describe('a command about what is in a folder', () => {
  it.each([
    ['consume', '--group', 'g', '--topic', 'orders'],
    ['purge', '--topic', 'orders'],
    ['redrive', '--group', 'g'],
    ['reset-offset', '--group', 'g', '--topic', 'orders', '--to', 'first'],
    ['topic update', '--topic', 'orders', '--queues', '8'],
    ['topic delete', '--topic', 'orders'],
    ['backup', '/tmp/never-written'],
  ])('%s makes no new one where there is none', async (command, ...more) => {
    const dir = join(temporaryFolder(), 'typo')
    const { exitCode, stdout, stderr } = await pocketmq([...command.split(' '), dir, ...more])
    expect([exitCode, stdout, existsSync(dir)]).toEqual([3, '', false])
    expect(stderr).toContain('POCKETMQ_STORE_NOT_FOUND')
  })
})

describe('produce', () => {
  const LINES = '{"id":1,"kind":"paid","who":"a","n":5}\n{"id":2,"kind":"late","who":"b","n":[7,"x"]}\n\nplain text\r\n'

  it('sends one message for each line, with tag, keys and group from its fields', async () => {
    const dir = join(temporaryFolder(), 'store')
    const words = [
      'produce',
      dir,
      '--topic',
      'orders',
      '--tag-field',
      'kind',
      '--key-field',
      'n',
      '--group-field',
      'who',
      '--json',
    ]
    const produced = await pocketmq(words, { stdin: LINES })
    expect(produced.stderr).toMatch(/^3 of 3 messages acknowledged/)
    expect([produced.exitCode, produced.lines()]).toEqual([0, [{ sent: 3, acknowledged: 3, emptyLines: 1, bytes: 92 }]])
    const messages = (await pocketmq(['dump', dir])).lines().filter(line => line.t === 'msg')
    const found = messages.map(({ body, properties }) => {
      const { TAGS, KEYS, __SHARDINGKEY } = properties as Record<string, string>
      return [Buffer.from(body as string, 'base64').toString(), TAGS, KEYS, __SHARDINGKEY]
    })
    expect(found.sort()).toEqual([
      ['plain text', undefined, undefined, undefined],
      ['{"id":1,"kind":"paid","who":"a","n":5}', 'paid', '5', 'a'],
      ['{"id":2,"kind":"late","who":"b","n":[7,"x"]}', 'late', '7 x', 'b'],
    ])
  })

  it('prints each receipt once its message is as safe as was asked for', async () => {
    const dir = join(temporaryFolder(), 'store')
    const words = ['produce', dir, '--topic', 'orders', '--durability', 'disk', '--print-acks']
    const { exitCode, lines } = await pocketmq(words, { stdin: LINES })
    const receipts = lines()
    expect(exitCode).toBe(0)
    expect(receipts).toHaveLength(3)
    for (const receipt of receipts)
      expect(receipt).toMatchObject({ topic: 'orders', durability: 'disk', physicalOffset: expect.any(Number) })
  })

  it('reads a file, and says so where there is none', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'lines.txt'), 'one\ntwo\n')
    const dir = join(folder, 'store')
    const there = await pocketmq(['produce', dir, '--topic', 't', '--file', join(folder, 'lines.txt')])
    expect([there.exitCode, there.stderr]).toEqual([0, expect.stringMatching(/^2 of 2 /)])
    const missing = await pocketmq(['produce', dir, '--topic', 't', '--file', join(folder, 'none.txt')])
    expect([missing.exitCode, missing.stderr.includes('POCKETMQ_IO')]).toEqual([3, true])
  })

  it('ends at an illegal topic without sending', async () => {
    const dir = join(temporaryFolder(), 'store')
    const { exitCode, stderr } = await pocketmq(['produce', dir, '--topic', 'no spaces'], { stdin: 'x\n' })
    expect([exitCode, stderr.includes('POCKETMQ_INVALID_ARGUMENT')]).toEqual([2, true])
    expect((await pocketmq(['dump', dir])).lines().filter(line => line.t === 'msg')).toEqual([])
  })
})

describe('what was produced', () => {
  const produced = async (): Promise<string> => {
    const dir = join(temporaryFolder(), 'store')
    const stdin = Array.from({ length: 50 }, (_, n) => `{"n":${n},"key":"k${n % 10}"}\n`).join('')
    await pocketmq(['produce', dir, '--topic', 'orders', '--key-field', 'key'], { stdin })
    return dir
  }

  it('is dumped from a queue, from an offset on, and no more than asked for', async () => {
    const dir = await produced()
    const all = (await pocketmq(['dump', dir, '--no-body'])).lines().filter(line => line.t === 'msg')
    expect(all).toHaveLength(50)
    expect(all.filter(line => 'body' in line)).toEqual([])
    const queue = all.filter(line => line.queueId === 1)
    const part = await pocketmq([
      'dump',
      dir,
      '--no-body',
      '--topic',
      'orders',
      '--queue',
      '1',
      '--from',
      '3',
      '--max',
      '4',
    ])
    expect(part.lines().filter(line => line.t === 'msg')).toEqual(queue.slice(3, 7))
    expect((await pocketmq(['dump', dir, '--topic', 'nothing'])).stdout).toBe('')
  })

  it('is found by key and by id', async () => {
    const dir = await produced()
    const byKey = await pocketmq(['query', dir, '--topic', 'orders', '--key', 'k3', '--json'])
    expect(byKey.lines()).toHaveLength(5)
    const [first] = byKey.lines()
    const properties = first?.properties as { UNIQ_KEY: string }
    for (const id of [properties.UNIQ_KEY, first?.offsetMsgId as string]) {
      const byId = await pocketmq(['query', dir, '--id', id, '--json'])
      expect(byId.lines()).toEqual([first])
    }
    expect(
      (await pocketmq(['query', dir, '--topic', 'orders', '--key', 'k3', '--max', '2', '--json'])).lines(),
    ).toHaveLength(2)
    const none = await pocketmq(['query', dir, '--topic', 'orders', '--key', 'nobody'])
    expect([none.exitCode, none.stdout]).toEqual([1, 'no such message\n'])
    const people = await pocketmq(['query', dir, '--topic', 'orders', '--key', 'k3'])
    expect(people.stdout.split('\n')[0]).toMatch(/^topic +queue +offset/)
  })

  it('is shown by its place', async () => {
    const dir = await produced()
    const place = ['--topic', 'orders', '--queue', '0', '--offset', '2']
    const shown = await pocketmq(['peek', dir, ...place])
    expect([shown.exitCode, shown.stdout]).toEqual([0, expect.stringContaining('{"n":')])
    const json = JSON.parse((await pocketmq(['peek', dir, ...place, '--json'])).stdout)
    expect(json).toMatchObject({ topic: 'orders', queueId: 0, queueOffset: 2 })
    const beyond = await pocketmq(['peek', dir, '--topic', 'orders', '--queue', '0', '--offset', '99', '--json'])
    expect([beyond.exitCode, JSON.parse(beyond.stdout)]).toEqual([1, { status: 'offset-overflow-badly' }])
  })

  it('is counted', async () => {
    const dir = await produced()
    const stats = JSON.parse((await pocketmq(['stats', dir, '--json'])).stdout)
    expect(stats).toMatchObject({ topics: 1, messages: 50, recovery: { clean: true } })
  })

  it('can be opened by a broker with these settings', async () => {
    const dir = await produced()
    const { exitCode, stdout } = await pocketmq(['broker-conf', dir])
    expect([exitCode, stdout.trimEnd().split('\n')]).toEqual([
      0,
      [
        `storePathRootDir=${dir}`,
        `storePathCommitLog=${dir}/commitlog`,
        'mappedFileSizeCommitLog=67108864',
        'mappedFileSizeConsumeQueue=6000000',
        'maxHashSlotNum=500000',
        'maxIndexNum=2000000',
        'fileReservedTime=72',
        'deleteWhen=04',
        'diskMaxUsedSpaceRatio=95',
        'enabledAppendPropCRC=true',
      ],
    ])
  })

  it('is not to be opened by a broker while it is not closed cleanly', async () => {
    const dir = await produced()
    writeFileSync(join(dir, 'abort'), '1')
    const { exitCode, stdout } = await pocketmq(['broker-conf', dir, '--json'])
    expect([exitCode, JSON.parse(stdout).reasons]).toEqual([1, [expect.stringContaining('not closed cleanly')]])
  })
})
