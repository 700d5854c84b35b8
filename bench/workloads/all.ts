/** Every case there is, in the order they are measured. */
import type { Case } from '../support/case.ts'
import { W1 } from './w1-append.ts'
import { W2 } from './w2-disk.ts'
import { W3 } from './w3-read.ts'
import { W4 } from './w4-queue.ts'
import { W5 } from './w5-open.ts'
import { W6 } from './w6-queues.ts'
import { W7 } from './w7-delay.ts'
import { W8 } from './w8-select.ts'
import { W9 } from './w9-memory.ts'

export const CASES: readonly Case[] = [...W1, ...W2, ...W3, ...W4, ...W5, ...W6, ...W7, ...W8, ...W9]
