"""The members of a generateContent request that `reading.py` and `turns.py` read, for `../strange.py`.

Source: https://ai.google.dev/api/generate-content. Next file: `turns.py`.
"""

from llm.core.dialects.strange import Known, Partly

DATA = Known("mimeType", "data")
FILE = Known("fileUri", "mimeType")
NATIVE = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
"""Parts that go to Google only; each provider's rules say what becomes of them."""
PART = Known(
    *("text", "thought", "thoughtSignature", *NATIVE),
    inlineData=DATA,
    fileData=FILE,
    functionCall=Known("id", "name", "args"),
    functionResponse=Known("id", "name", "response", parts=Known("text", inlineData=DATA, fileData=FILE)),
)
CONTENT = Known("role", parts=PART)
REQUEST = Partly(  # its own members and those of generationConfig are reported where they are read
    usage=Known("include"),
    contents=CONTENT,
    systemInstruction=CONTENT,
    tools=Partly(functionDeclarations=Known("name", "description", "parameters", "parametersJsonSchema")),
    toolConfig=Known(functionCallingConfig=Known("mode", "allowedFunctionNames")),
    generationConfig=Partly(thinkingConfig=Known("thinkingBudget", "thinkingLevel", "includeThoughts")),
)
