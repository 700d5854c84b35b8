/** The demo from beginning to end: says what happens while it happens, and then what is left. */
import { randomInt } from 'node:crypto'
import { PocketMQ } from '../../../messaging/pocket-mq.ts'
import type { RecoveryReport } from '../../../store/message-store.ts'
import { bytesText, countText, durationText, rateText } from '../figures.ts'
import type { Output } from '../output.ts'
import { pairsText } from '../output.ts'
import type { Claim, StoredFlight } from './claims.ts'
import { readFigures, sentFigures } from './claims.ts'
import type { BreakDown, Consumed } from './consume-phase.ts'
import { consumeFlights } from './consume-phase.ts'
import { FLIGHTS_GROUP } from './demo-lines.ts'
import type { Flight } from './flights.ts'
import { FLIGHTS_QUEUES, FLIGHTS_TOPIC, loadFlights, NUMBER_PROPERTY } from './flights.ts'
import type { FolderUse } from './folder-use.ts'
import { folderUse } from './folder-use.ts'
import type { Evidence } from './judgement.ts'
import { claimsOf } from './judgement.ts'
import type { Produced } from './produce-phase.ts'
import { IN_FLIGHT, produceFlights } from './produce-phase.ts'

/** Three consumers with four flights each in work. */
const IN_WORK_MAX = 12

/** Runs the demo in an empty folder; answers whether every claim holds. */
export async function runDemo(dir: string, count: number, output: Output): Promise<boolean> {
  const flights = loadFlights().slice(0, count)
  const airports = new Set(flights.map(flight => flight.origin)).size
  await output.text(
    `${countText(flights.length)} flights from ${airports} airports become messages in ${dir}\n` +
      `topic ${FLIGHTS_TOPIC}, ${FLIGHTS_QUEUES} queues; message group = origin airport, tag = late or on-time, key = origin-destination\n`,
  )
  const kills = [0.1, 0.4, 0.7].map(from => Math.floor(count * from) + randomInt(Math.floor(count * 0.2)))
  const produced = await sendAll(dir, flights, kills, output)
  const consumed = await readAll(dir, count, output)
  const { stored, lag, findings } = await inspect(dir, output)
  const evidence: Evidence = {
    sent: sentFigures(flights, produced, stored, IN_FLIGHT),
    read: readFigures(stored, consumed),
    produced,
    consumed,
    lag,
    findings,
    repeatedMax: IN_WORK_MAX,
    plannedKills: kills.length,
  }
  const claims = claimsOf(evidence)
  const use = await folderUse(dir)
  await output.answer(documentOf(dir, evidence, claims, use), () => reportText(dir, evidence, claims, use))
  return claims.every(one => one.holds)
}

async function sendAll(
  dir: string,
  flights: readonly Flight[],
  kills: readonly number[],
  output: Output,
): Promise<Produced> {
  await output.text(
    `Sending: durability 'disk' (acknowledged means on the device), up to ${IN_FLIGHT} sends at once, in a process of its own`,
  )
  const bar = output.bar('sending', flights.length)
  const produced = await produceFlights(dir, flights, kills, output, {
    onProgress: acknowledged => bar.update(acknowledged),
    onRun: async ({ acknowledged, recovery, lost }) => {
      if (recovery === undefined) return await output.text(`  done: ${countText(acknowledged)} acknowledged`)
      await output.text(
        `  killed with SIGKILL after ${countText(acknowledged)} acknowledgements\n    ${recoveryText(recovery)}`,
      )
      await output.text(`    acknowledged flights missing: ${lost}; sending goes on after the last acknowledged one`)
    },
  })
  bar.stop()
  return produced
}

async function readAll(dir: string, count: number, output: Output): Promise<Consumed> {
  await output.text(
    `\nReading: group ${FLIGHTS_GROUP}, three consumers, each airport in order. A folder has one owner process at a time,\n` +
      'so the three live in one process: one of them breaks down alone, then the whole process is killed',
  )
  const bar = output.bar('reading', count)
  const plan = {
    breakAfter: Math.floor(count / 20),
    killAt: Math.floor(count * 0.5) + randomInt(Math.floor(count * 0.2)),
  }
  const consumed = await consumeFlights(dir, plan, {
    onProgress: handled => bar.update(Math.min(handled, count)),
    onKilled: async (handled, breakDown) => {
      if (breakDown !== undefined) await output.text(breakDownText(breakDown))
      await output.text(`  the process with all consumers killed with SIGKILL after ${countText(handled)} flights`)
      await output.text('  three new consumers go on in a new process')
    },
  })
  bar.stop()
  return consumed
}

/** What is in the folder in the end, read by somebody who had no part in it. */
async function inspect(
  dir: string,
  output: Output,
): Promise<{ stored: StoredFlight[]; lag: number; findings: number }> {
  await output.text("\nChecking: every message read back, the group's progress, and an audit of every byte\n")
  const stored: StoredFlight[] = []
  await using mq = await PocketMQ.openReadOnly(dir, { logger: output.logger })
  for await (const message of mq.store.scan(0)) {
    if (message.topic !== FLIGHTS_TOPIC) continue
    stored.push({
      number: Number(message.property(NUMBER_PROPERTY)),
      queueId: message.queueId,
      queueOffset: message.queueOffset,
      body: message.body.toString(),
      tag: message.tag,
      keys: message.keys,
      messageGroup: message.property('__SHARDINGKEY'),
    })
  }
  const { findingCount } = await mq.store.verify()
  const progress = await mq.admin.groupProgress(FLIGHTS_GROUP)
  return { stored, lag: progress.lagMessages, findings: findingCount }
}

function breakDownText({ consumer, flight, after }: BreakDown): string {
  return (
    `  after ${countText(after)} flights consumer ${consumer} broke down in the middle of flight ${flight}: its handlers never end, ` +
    'nothing it held was acknowledged;\n  the other two took over'
  )
}

function recoveryText({ scannedBytes, truncatedBytes, redispatched, durationMs }: RecoveryReport): string {
  return (
    `opened anew in ${durationText(durationMs)}: ${bytesText(scannedBytes)} scanned, ${bytesText(truncatedBytes)} of a torn tail cut, ` +
    `${countText(redispatched)} queue entries written again`
  )
}

function documentOf(dir: string, evidence: Evidence, claims: readonly Claim[], use: FolderUse): object {
  const { sent, read, produced, consumed } = evidence
  return {
    dir,
    sent: { ...sent, ms: Math.round(produced.ms), kills: produced.runs.filter(run => run.killed).length },
    recoveries: produced.runs.map(run => run.recovery).filter(recovery => recovery !== undefined),
    read: { ...read, ms: Math.round(consumed.ms), lag: evidence.lag },
    disk: use,
    claims,
  }
}

function reportText(dir: string, evidence: Evidence, claims: readonly Claim[], use: FolderUse): string {
  const { sent, read, produced, consumed } = evidence
  const resent = sent.duplicated === 0 ? '' : ' (on the device, but killed before their acknowledgement; sent again)'
  const table = pairsText([
    ['flights', countText(sent.flights)],
    ['acknowledged', countText(sent.acknowledged)],
    ['lost', countText(sent.lost)],
    ['duplicated by resuming', `${countText(sent.duplicated)}${resent}`],
    ['out of order', countText(sent.outOfOrder + read.outOfOrder)],
    [
      'sent in',
      `${durationText(produced.ms)}, ${rateText(sent.acknowledged, produced.ms)}, ${evidence.plannedKills} kills and reopenings included`,
    ],
    ['messages read', `${countText(read.messages)} by group ${FLIGHTS_GROUP}, ${countText(read.unread)} left`],
    ['read twice', `${countText(read.repeated)} (in work when the consumers were killed)`],
    ['read in', `${durationText(consumed.ms)}, ${rateText(read.handled, consumed.ms)}, one kill included`],
    ...use.parts.map(
      ({ name, files, bytes, onDiskBytes }) =>
        [
          name,
          `${bytesText(onDiskBytes)} on the device; ${countText(files)} file${files === 1 ? '' : 's'} of ${bytesText(bytes)}${bytes > 2 * onDiskBytes ? ', sparse' : ''}`,
        ] as const,
    ),
  ])
  const marks = claims.map(
    ({ says, holds, found }) => `${holds ? '  ok      ' : '  FAILED  '}${says}${holds ? '' : `: ${found}`}`,
  )
  return [table, '', ...marks, '', 'Look at it:', ...lookAt(dir)].join('\n')
}

function lookAt(dir: string): readonly string[] {
  return [
    `topics ${dir}`,
    `dump ${dir} --topic ${FLIGHTS_TOPIC} --max 3`,
    `query ${dir} --topic ${FLIGHTS_TOPIC} --key DFW-LAX`,
    `progress ${dir} --group ${FLIGHTS_GROUP}`,
    `verify ${dir}`,
    `broker-conf ${dir}`,
  ].map(command => `  npx pocketmq ${command}`)
}
