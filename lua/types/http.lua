---@meta http

--- HTTP clients as objects, and URL functions.
---@class http
local http = {}

--- Sends requests.
---@class http.Client
local Client = {}

--- Sends a request. Returns `code`, `body` and `headers`. Waits.
---@param request http.Request
---@return {code: integer, body: string, headers: table<string, string>}?
---@return string? error
function Client:do_request(request) end

--- A request to send.
---@class http.Request
local Request = {}

--- Sets a header.
---@param name string
---@param value any
function Request:header_set(name, value) end

--- Sets user and password for basic authentication.
---@param user string
---@param password string
function Request:set_basic_auth(user, password) end

--- Creates a client with its own cookies. Waits if it reads certificates.
---@param options? http.Options
---@return http.Client
function http.client(options) end

--- Creates a request.
---@param method string
---@param url string
---@param body? string
---@return http.Request?
---@return string? error
function http.request(method, url, body) end

--- Creates a POST request that uploads files, each `{fieldname, path, filename}`. Waits.
---@param url string
---@param files table
---@param fields? table<string, any>
---@return http.Request?
---@return string? error
function http.file_request(url, files, fields) end

--- Escapes text for a query string.
---@param text string
---@return string
function http.query_escape(text) end

--- Reverses `query_escape`.
---@param text string
---@return string?
---@return string? error
function http.query_unescape(text) end

--- Splits a URL into its parts.
---@param url string
---@return table?
---@return string? error
function http.parse_url(url) end

--- Builds a URL from its parts.
---@param parts table
---@return string
function http.build_url(parts) end

--- Raises: scripts cannot run servers.
---@param address any
function http.server(address) end

--- Raises: scripts cannot run servers.
---@param folder string
---@param address string
function http.serve_static(folder, address) end

---@class http.Options
---@field timeout? number seconds, 10
---@field user_agent? string
---@field headers? table<string, string>
---@field basic_auth_user? string
---@field basic_auth_password? string
---@field proxy? string
---@field insecure_ssl? boolean
---@field root_cas_pem_file? string
---@field client_public_cert_pem_file? string
---@field client_private_key_pem_file? string
---@field debug? boolean

return http
