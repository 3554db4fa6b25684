---@meta nauthilus_opentelemetry

--- Spans created by scripts. If tracing is not configured, all functions exist and do nothing.
---@class nauthilus_opentelemetry
---@field semconv nauthilus_opentelemetry.Semconv attributes under agreed names
local nauthilus_opentelemetry = {}

--- Creates spans.
---@class nauthilus_opentelemetry.Tracer
local Tracer = {}

--- Starts a span. It is the current span until it is finished.
---@param name string
---@param options? nauthilus_opentelemetry.Options
---@return nauthilus_opentelemetry.Span
---@return nil
function Tracer:start_span(name, options) end

--- Calls the function inside a span and returns what it returns.
---@param name string
---@param f (fun(span: nauthilus_opentelemetry.Span): ...)
---@param options? nauthilus_opentelemetry.Options
---@return any ...
function Tracer:with_span(name, f, options) end

--- One operation.
---@class nauthilus_opentelemetry.Span
local Span = {}

--- Sets an attribute.
---@param key string
---@param value string|number|boolean
function Span:set_attribute(key, value) end

--- Sets several.
---@param attributes table<string, string|number|boolean>
function Span:set_attributes(attributes) end

--- Adds an event.
---@param name string
---@param attributes? table<string, string|number|boolean>
function Span:add_event(name, attributes) end

--- Sets the status.
---@param code "ok"|"error"|string
---@param text? string
function Span:set_status(code, text) end

--- Adds an event if `err` is not nil.
---@param err any
function Span:record_error(err) end

--- Ends the span.
function Span:finish() end

--- Attributes under agreed names. These are functions, not methods.
---@class nauthilus_opentelemetry.Semconv
local Semconv = {}

--- Whether spans are recorded.
---@return boolean
---@return nil
function nauthilus_opentelemetry.is_enabled() end

--- Creates spans.
---@param scope? string
---@return nauthilus_opentelemetry.Tracer
---@return nil
function nauthilus_opentelemetry.tracer(scope) end

--- The tracer with the scope nauthilus/lua.
---@return nauthilus_opentelemetry.Tracer
---@return nil
function nauthilus_opentelemetry.default_tracer() end

--- Sets a baggage entry, which is sent to other services.
---@param key string
---@param value string
function nauthilus_opentelemetry.baggage_set(key, value) end

--- The value of a baggage entry.
---@param key string
---@return string?
---@return nil
function nauthilus_opentelemetry.baggage_get(key) end

--- All baggage entries.
---@return table<string, string>
---@return nil
function nauthilus_opentelemetry.baggage_all() end

--- Removes all baggage entries.
function nauthilus_opentelemetry.baggage_clear() end

--- Adds the trace headers for another service.
---@param headers table
function nauthilus_opentelemetry.inject_headers(headers) end

--- Continues the trace described by the headers.
---@param headers table
function nauthilus_opentelemetry.extract_headers(headers) end

nauthilus_opentelemetry.semconv = Semconv

---@class nauthilus_opentelemetry.Options
---@field kind? "client"|"server"|"producer"|"consumer"|"internal"
---@field attributes? table<string, string|number|boolean>
---@field links? {trace_id: string, span_id: string, attributes?: table<string, string|number|boolean>}[]

---@param name string
---@return table<string, any> attributes
---@return nil
function Semconv.peer_service(name) end

---@param t {method?: string, url?: string, status_code?: number}
---@return table<string, any> attributes
---@return nil
function Semconv.http_client_attrs(t) end

---@param t {system?: string, name?: string, operation?: string, statement?: string}
---@return table<string, any> attributes
---@return nil
function Semconv.db_attrs(t) end

---@param t {peer_name?: string, peer_port?: number}
---@return table<string, any> attributes
---@return nil
function Semconv.net_attrs(t) end

return nauthilus_opentelemetry
