import com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBRequestHandler;
import com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBServerHandler;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** DynamoDB Local on a free port of the loopback interface; its own main() listens on every interface. */
public class LoopbackDynamoDB {
    public static void main(String[] args) throws Exception {
        var server = new Server();
        var connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(0);
        server.addConnector(connector);
        var tables = new LocalDynamoDBRequestHandler(0, true, null, true, false);
        server.setHandler(new LocalDynamoDBServerHandler(tables, null));
        server.start();
        System.out.println("port " + connector.getLocalPort());
        // The parent holds the other end of stdin: when it goes away, so do we.
        while (System.in.read() >= 0) { }
        System.exit(0);
    }
}
