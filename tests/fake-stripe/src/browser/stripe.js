// What a page sees of Stripe.js (docs.stripe.com/js), as far as a payment with the Payment Element needs it: Elements without
// an intent, submit, confirmation tokens, next actions. Stricter than Stripe where that finds mistakes: unknown options are
// refused. Card data stays in the frame, which is of another origin than the page.
(() => {
  'use strict';
  const base = new URL(document.currentScript.src).origin;
  const known = {
    elements: ['mode', 'amount', 'currency', 'captureMethod', 'appearance', 'locale', 'paymentMethodCreation', 'loader'],
    update: ['amount', 'currency', 'captureMethod', 'appearance', 'locale'],
    payment: ['layout', 'defaultValues', 'fields', 'wallets', 'business', 'terms', 'paymentMethodOrder', 'readOnly'],
    confirmation: ['elements', 'params'],
    params: ['payment_method_data', 'shipping', 'return_url'],
  };

  class IntegrationError extends Error {
    constructor(message) {
      super(message);
      this.name = 'IntegrationError';
    }
  }

  function demand(holds, message) {
    if (!holds) throw new IntegrationError(message);
  }

  function refuseStrangers(options, names, where) {
    const stranger = Object.keys(options).find((name) => !names.includes(name));
    demand(!stranger, `Unrecognized ${where} parameter: ${stranger} is not a recognized parameter.`);
  }

  function checkAmounts({ amount, currency }) {
    demand(Number.isInteger(amount) && amount > 0, 'Invalid value for elements(): amount should be a positive integer.');
    demand(/^[a-z]{3}$/.test(currency), 'Invalid value for elements(): currency should be a three-letter lowercase code.');
  }

  /** Shows a page of ours in the page, and hears what it says. */
  function frame(path, parent, hear, title) {
    const element = Object.assign(document.createElement('iframe'), { src: base + path, title, allow: 'payment *' });
    element.style.width = '100%';
    element.style.border = '0';
    const listen = (event) => {
      if (event.source === element.contentWindow && event.origin === base) hear(event.data);
    };
    window.addEventListener('message', listen);
    parent.append(element);
    return {
      element,
      say: (message) => element.contentWindow.postMessage(message, base),
      end: () => {
        window.removeEventListener('message', listen);
        element.remove();
      },
    };
  }

  class PaymentElement {
    constructor(key, group, options) {
      refuseStrangers(options, known.payment, 'payment element');
      Object.assign(this, { key, group, options, frame: null, handlers: {}, waiting: new Map(), asked: 0 });
    }

    on(event, handler) {
      (this.handlers[event] ??= []).push(handler);
      return this;
    }

    tell(event, detail) {
      for (const handler of this.handlers[event] ?? []) handler({ elementType: 'payment', ...detail });
    }

    mount(target) {
      const parent = typeof target === 'string' ? document.querySelector(target) : target;
      demand(parent, 'The selector you specified applies to no DOM elements that are currently on the page.');
      demand(!this.frame, 'This Element is already mounted.');
      const query = new URLSearchParams({ key: this.key, email: this.options.fields?.billingDetails?.email ?? 'auto' });
      const hear = ({ type, id, ...detail }) => {
        if (type === 'ready') this.tell('ready', {});
        else if (type === 'change') this.tell('change', detail);
        else if (type === 'height') this.frame.element.style.height = `${detail.height}px`;
        else if (type === 'answer') {
          this.waiting.get(id)?.(detail);
          this.waiting.delete(id);
        }
      };
      this.frame = frame(`/fake/elements?${query}`, parent, hear, 'Secure payment input frame');
    }

    ask(type, detail = {}) {
      demand(this.frame, 'The Payment Element must be mounted.');
      const id = (this.asked += 1);
      this.frame.say({ type, id, ...detail });
      return new Promise((resolve) => this.waiting.set(id, resolve));
    }

    unmount() {
      this.frame?.end();
      this.frame = null;
    }

    destroy() {
      this.unmount();
      this.group.element = null;
    }

    update(options) {
      refuseStrangers(options, known.payment, 'payment element');
    }
  }

  class Elements {
    constructor(key, options) {
      refuseStrangers(options, known.elements, 'elements()');
      demand(options.mode === 'payment', 'Invalid value for elements(): mode should be "payment".');
      checkAmounts(options);
      demand(['automatic', 'automatic_async', 'manual'].includes(options.captureMethod ?? 'automatic'), 'Invalid captureMethod.');
      Object.assign(this, { key, options: { captureMethod: 'automatic', ...options }, element: null, isSubmitted: false });
    }

    create(type, options = {}) {
      demand(type === 'payment', `A valid Element name must be provided; you specified: ${type}.`);
      demand(!this.element, "Can't create two Payment Elements in one group.");
      this.element = new PaymentElement(this.key, this, options);
      return this.element;
    }

    getElement() {
      return this.element;
    }

    update(options) {
      refuseStrangers(options, known.update, 'elements.update()');
      const next = { ...this.options, ...options };
      checkAmounts(next);
      this.options = next;
      this.isSubmitted = false;
    }

    async submit() {
      demand(this.element, 'elements.submit() needs a mounted Payment Element.');
      const { error, selectedPaymentMethod } = await this.element.ask('submit');
      this.isSubmitted = !error;
      return error ? { error } : { selectedPaymentMethod };
    }
  }

  window.Stripe = function Stripe(key, options = {}) {
    demand(typeof key === 'string' && key.startsWith('pk_'), 'Please call Stripe() with your publishable key. You used an empty or a secret one.');
    refuseStrangers(options, ['locale', 'apiVersion', 'stripeAccount', 'betas', 'developerTools'], 'Stripe()');
    const retrieve = async (clientSecret) => {
      const [id] = clientSecret.split('_secret');
      const query = new URLSearchParams({ key, client_secret: clientSecret });
      const answer = await fetch(`${base}/v1/payment_intents/${id}?${query}`);
      const body = await answer.json();
      return answer.ok ? { paymentIntent: body } : { error: body.error };
    };
    const challenge = async (intent) => {
      const dialog = document.createElement('div');
      Object.assign(dialog.style, { position: 'fixed', inset: '0', zIndex: '2147483647', background: 'rgb(0 0 0 / 60%)', padding: '10vh 5vw' });
      document.body.append(dialog);
      await new Promise((resolve) => {
        const hear = ({ type }) => {
          if (type !== 'decided') return;
          shown.end();
          dialog.remove();
          resolve();
        };
        const query = new URLSearchParams({ client_secret: intent.client_secret });
        const shown = frame(`/fake/challenge/${intent.id}?${query}`, dialog, hear, '3D Secure 2 challenge');
        shown.element.style.height = '60vh';
        shown.element.style.background = 'white';
      });
      return retrieve(intent.client_secret);
    };
    return {
      elements: (choice) => new Elements(key, choice),

      async createConfirmationToken(choice) {
        refuseStrangers(choice, known.confirmation, 'createConfirmationToken()');
        const { elements, params = {} } = choice;
        refuseStrangers(params, known.params, 'createConfirmationToken() params');
        demand(elements instanceof Elements, 'createConfirmationToken() needs an Elements group.');
        demand(elements.isSubmitted, 'elements.submit() must be called before stripe.createConfirmationToken().');
        const asksEmail = elements.element.options.fields?.billingDetails?.email === 'never';
        const email = params.payment_method_data?.billing_details?.email;
        demand(!asksEmail || email, 'You specified "never" for fields.billingDetails.email, but did not pass billing_details.email.');
        const { amount, currency, captureMethod } = elements.options;
        const { error, confirmationToken } = await elements.element.ask('token', { amount, currency, captureMethod });
        return error ? { error } : { confirmationToken };
      },

      async handleNextAction({ clientSecret }) {
        const found = await retrieve(clientSecret);
        if (found.error) return found;
        const intent = found.paymentIntent;
        if (intent.status !== 'requires_action') {
          return { error: { type: 'invalid_request_error', message: 'handleNextAction: The PaymentIntent supplied is not in the requires_action state.' } };
        }
        if (intent.next_action.type === 'redirect_to_url') {
          window.location.assign(intent.next_action.redirect_to_url.url);
          return new Promise(() => {});
        }
        const after = await challenge(intent);
        const failed = after.paymentIntent?.last_payment_error;
        return failed ? { error: failed } : after;
      },

      retrievePaymentIntent: retrieve,
    };
  };
  window.Stripe.version = 3;
})();
