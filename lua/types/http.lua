---@meta http

--- HTTP clients as objects, and URLs.
---@class http
local http = {}

--- Sends requests.
---@class http.Client
local Client = {}

--- The answer: `code`, `body`, `headers`. Waits.
---@param request http.Request
---@return {code: integer, body: string, headers: table<string, string>}?
---@return string? error
function Client:do_request(request) end

--- What is to be sent.
---@class http.Request
local Request = {}

--- Sets a header.
---@param name string
---@param value any
function Request:header_set(name, value) end

--- Sets user and password.
---@param user string
---@param password string
function Request:set_basic_auth(user, password) end

--- A client with cookies of its own. Waits, if it reads certificates.
---@param options? http.Options
---@return http.Client
function http.client(options) end

--- A request.
---@param method string
---@param url string
---@param body? string
---@return http.Request?
---@return string? error
function http.request(method, url, body) end

--- A POST with files, each `{fieldname, path, filename}`. Waits.
---@param url string
---@param files table
---@param fields? table<string, any>
---@return http.Request?
---@return string? error
function http.file_request(url, files, fields) end

--- Escaped for a query.
---@param text string
---@return string
function http.query_escape(text) end

--- The text behind escapes.
---@param text string
---@return string?
---@return string? error
function http.query_unescape(text) end

--- A URL's parts.
---@param url string
---@return table?
---@return string? error
function http.parse_url(url) end

--- A URL of these parts.
---@param parts table
---@return string
function http.build_url(parts) end

--- Raises: scripts do not serve.
---@param address any
function http.server(address) end

--- Raises: scripts do not serve.
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
