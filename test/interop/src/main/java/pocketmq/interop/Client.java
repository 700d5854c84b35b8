package pocketmq.interop;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * RocketMQ's own client of a broker: producers that answer a broker's questions, and push consumers. A message whose body begins
 * with "fails" is refused once and retried; with "dead", given up at once.
 *
 * Argument: the address of the name server. Commands (fields are parted by tabs):
 * send GROUP TOPIC BODY [level|delay|at NUMBER] · transaction GROUP TOPIC BODY DECISION · answers GROUP DECISION · recall GROUP TOPIC HANDLE
 * · consume GROUP TOPIC · received GROUP COUNT · leave GROUP · queue TOPIC COUNT · close
 */
public final class Client {
    private static final long AWAIT_MS_MAX = 60_000;
    private static final int TIMEOUT_MS = 20_000;
    private final Map<String, TransactionMQProducer> producers = new ConcurrentHashMap<>();
    private final Map<String, LocalTransactionState> answers = new ConcurrentHashMap<>();
    private final Map<String, DefaultMQPushConsumer> consumers = new ConcurrentHashMap<>();
    private final Map<String, List<Map<String, Object>>> received = new ConcurrentHashMap<>();
    private final String nameServer;

    private Client(String nameServer) {
        this.nameServer = nameServer;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        Client client = new Client(arguments[0]);
        Commands commands = new Commands(out);
        commands.serve(words -> client.run(words, commands));
        System.exit(0);
    }

    private void run(String[] words, Commands commands) throws Exception {
        switch (words[0]) {
            case "send" -> commands.say("sent", send(words));
            case "transaction" -> transaction(words);
            case "answers" -> {
                answers.put(words[1], LocalTransactionState.valueOf(words[2]));
                producer(words[1]);
            }
            case "recall" -> commands.say("recalled", Map.of("id", producer(words[1]).recallMessage(words[2], words[3])));
            case "consume" -> consume(words[1], words[2]);
            case "received" -> {
                for (Map<String, Object> fields : received(words[1], Integer.parseInt(words[2]))) {
                    commands.say("msg", fields);
                }
            }
            case "leave" -> consumers.remove(words[1]).shutdown();
            case "queue" -> {
                for (Map<String, Object> fields : queue(words[1], Integer.parseInt(words[2]))) {
                    commands.say("msg", fields);
                }
            }
            case "close" -> {
                consumers.values().forEach(DefaultMQPushConsumer::shutdown);
                producers.values().forEach(TransactionMQProducer::shutdown);
                commands.end();
            }
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private Map<String, Object> send(String[] words) throws Exception {
        Message message = new Message(words[2], words[3].getBytes(StandardCharsets.UTF_8));
        if (words.length > 5) {
            long number = Long.parseLong(words[5]);
            switch (words[4]) {
                case "level" -> message.setDelayTimeLevel((int) number);
                case "delay" -> message.setDelayTimeMs(number);
                default -> message.setDeliverTimeMs(number);
            }
        }
        SendResult result = producer(words[1]).send(message, TIMEOUT_MS);
        String handle = result.getRecallHandle();
        return Map.of("status", result.getSendStatus().name(), "id", result.getMsgId(), "recallHandle", handle == null ? "" : handle);
    }

    private void transaction(String[] words) throws Exception {
        Message message = new Message(words[2], words[3].getBytes(StandardCharsets.UTF_8));
        producer(words[1]).sendMessageInTransaction(message, LocalTransactionState.valueOf(words[4]));
    }

    private TransactionMQProducer producer(String group) throws Exception {
        TransactionMQProducer known = producers.get(group);
        if (known != null) {
            return known;
        }
        TransactionMQProducer producer = new TransactionMQProducer(group);
        producer.setNamesrvAddr(nameServer);
        producer.setInstanceName(group);
        producer.setSendMsgTimeout(TIMEOUT_MS);
        producer.setDefaultTopicQueueNums(1);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object decision) {
                return (LocalTransactionState) decision;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return answers.getOrDefault(group, LocalTransactionState.UNKNOW);
            }
        });
        producer.start();
        producers.put(group, producer);
        return producer;
    }

    private void consume(String group, String topic) throws Exception {
        List<Map<String, Object>> seen = received.computeIfAbsent(group, any -> new CopyOnWriteArrayList<>());
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(nameServer);
        consumer.setInstanceName(group);
        consumer.setPersistConsumerOffsetInterval(200);
        // One thread, so that messages are seen in the order of their queue.
        consumer.setConsumeThreadMin(1);
        consumer.setConsumeThreadMax(1);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> handle(messages.get(0), context, seen));
        consumer.start();
        consumers.put(group, consumer);
    }

    private static ConsumeConcurrentlyStatus handle(MessageExt message, ConsumeConcurrentlyContext context, List<Map<String, Object>> seen) {
        Map<String, Object> fields = fieldsOf(message);
        seen.add(fields);
        String body = (String) fields.get("body");
        if (body.startsWith("dead")) {
            context.setDelayLevelWhenNextConsume(-1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        }
        boolean fails = body.startsWith("fails") && message.getReconsumeTimes() == 0;
        return fails ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    private List<Map<String, Object>> received(String group, int count) throws Exception {
        List<Map<String, Object>> seen = received.get(group);
        long deadline = System.currentTimeMillis() + AWAIT_MS_MAX;
        while (seen.size() < count && System.currentTimeMillis() < deadline) {
            Thread.sleep(20);
        }
        return seen;
    }

    /** What queue 0 of a topic holds, read by a consumer that assigns it to itself, once it is so many. */
    private List<Map<String, Object>> queue(String topic, int count) throws Exception {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer("reader");
        consumer.setNamesrvAddr(nameServer);
        consumer.setAutoCommit(false);
        consumer.start();
        try {
            List<Map<String, Object>> seen = new ArrayList<>();
            List<MessageQueue> queues = new ArrayList<>(consumer.fetchMessageQueues(topic));
            consumer.assign(queues);
            for (MessageQueue queue : queues) {
                consumer.seekToBegin(queue);
            }
            long deadline = System.currentTimeMillis() + AWAIT_MS_MAX;
            while (seen.size() < count && System.currentTimeMillis() < deadline) {
                consumer.poll(200).forEach(message -> seen.add(fieldsOf(message)));
            }
            return seen;
        } finally {
            consumer.shutdown();
        }
    }

    private static Map<String, Object> fieldsOf(MessageExt message) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("id", message.getMsgId());
        fields.put("topic", message.getTopic());
        fields.put("queueId", message.getQueueId());
        fields.put("queueOffset", message.getQueueOffset());
        fields.put("body", new String(message.getBody(), StandardCharsets.UTF_8));
        fields.put("tag", message.getTags() == null ? "" : message.getTags());
        fields.put("keys", message.getKeys() == null ? "" : message.getKeys());
        fields.put("attempt", message.getReconsumeTimes() + 1);
        fields.put("deadLetterOf", message.getProperties().getOrDefault(MessageConst.PROPERTY_DLQ_ORIGIN_TOPIC, ""));
        fields.put("receivedMs", System.currentTimeMillis());
        return fields;
    }
}
