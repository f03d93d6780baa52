/* GraphiQL on this server: queries by POST /graphql, subscriptions by graphql-transport-ws on the same host.
   The tabs are the API guide's own examples; a tab the user has edited is kept by GraphiQL in local storage. */
"use strict";

const TABS = [
  `# Circuit Breaker. Run with the button or Ctrl-Enter; each tab is one example.

query GetProviders {
  llmProviders {
    id
    providerType
    name
    healthStatus {
      isHealthy
      errorRate
      averageLatencyMs
    }
    models {
      id
      name
      contextWindow
      costPerInputToken
      costPerOutputToken
      supportsStreaming
      capabilities
    }
  }
}
`,
  `query CostAnalytics {
  costAnalytics {
    totalCost
    dailySpend
    monthlySpend
    providerBreakdown {
      provider
      cost
      requests
      averageCostPerRequest
    }
    modelBreakdown {
      model
      cost
      requests
      inputTokens
      outputTokens
    }
    projectedMonthlySpend
    costTrends {
      date
      cost
    }
  }
}
`,
  `query Workflows {
  workflows {
    id
    name
    places
    transitions {
      id
      fromPlaces
      toPlace
      conditions
    }
    initialPlace
  }
}
`,
  `mutation CreateToken {
  createToken(input: {
    workflowId: "document_review"
    data: { title: "Quarterly report" }
  }) {
    id
    place
    data
  }
}
`,
  `# Leave this running and create or move a token in another tab.
subscription WorkflowEvents {
  workflowEvents(workflowId: "document_review") {
    eventType
    workflowId
    tokenId
    data
    timestamp
  }
}
`,
];

const url = new URL("/graphql", window.location.href);
const socketUrl = new URL(url);
socketUrl.protocol = url.protocol === "https:" ? "wss:" : "ws:";

const fetcher = GraphiQL.createFetcher({
  url: url.href,
  wsClient: graphqlWs.createClient({ url: socketUrl.href, lazy: true }),
});

function App() {
  const [query, setQuery] = React.useState(TABS[0]);
  const explorer = GraphiQLPluginExplorer.useExplorerPlugin({ query, onEdit: setQuery, showAttribution: false });
  return React.createElement(GraphiQL, {
    fetcher,
    plugins: [explorer],
    defaultTabs: TABS.map((text) => ({ query: text })),
    onEditQuery: setQuery,
    defaultEditorToolsVisibility: true,
    isHeadersEditorEnabled: true,
  });
}

// The package brings React 17, which has no createRoot.
ReactDOM.render(React.createElement(App), document.getElementById("graphiql"));
